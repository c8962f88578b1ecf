"""
Runs the model without a server: `callable_loop.py MODEL SECONDS THREADS SHAPE...`.

It prints a line of figures. Then, for each line on stdin, it times the last shape again and prints
its rate.
"""

import json
import pathlib
import sys
import time

begin = time.perf_counter()
import numpy as np  # noqa: E402
from tf_model import load  # noqa: E402

imported = time.perf_counter()


def main():
    """Time import and load, then the calls of each shape."""
    path, seconds, threads, *shapes = sys.argv[1:]
    model = load(path, int(threads))
    loaded = time.perf_counter()
    rates = {}
    for text in shapes:
        images = np.zeros([int(size) for size in text.split("x")], np.float32)
        first = time.perf_counter()
        model(images)
        first = time.perf_counter() - first
        for _ in range(20):
            model(images)
        rates[text] = rate(model, images, float(seconds))
    rollup = pathlib.Path("/proc/self/smaps_rollup").read_text()
    pss = next(line for line in rollup.splitlines() if line.startswith("Pss:"))
    figures = {
        "ready_s": loaded - begin,
        "load_s": loaded - imported,
        "first_call_s": first,
        "pss_mb": int(pss.split()[1]) / 1024,
        "calls_per_second": rates,
    }
    print(json.dumps(figures), flush=True)
    for _ in sys.stdin:
        print(rate(model, images, float(seconds)), flush=True)


def rate(model, images, seconds):
    """Return the calls per second."""
    start, calls = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        model(images)
        calls += 1
    return calls / (time.perf_counter() - start)


main()
