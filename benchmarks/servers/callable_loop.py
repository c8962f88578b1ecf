"""The model without a server: `callable_loop.py MODEL SECONDS THREADS SHAPE...`."""

import json
import pathlib
import resource
import sys
import time

begin = time.perf_counter()
import numpy as np  # noqa: E402
from tf_model import load  # noqa: E402


def main():
    """Time import and load, then the calls of each shape."""
    path, seconds, threads, *shapes = sys.argv[1:]
    model = load(path, int(threads))
    ready = time.perf_counter() - begin
    rates = {}
    for text in shapes:
        images = np.zeros([int(size) for size in text.split("x")], np.float32)
        for _ in range(20):
            model(images)
        start, calls = time.perf_counter(), 0
        while time.perf_counter() - start < float(seconds):
            model(images)
            calls += 1
        rates[text] = calls / (time.perf_counter() - start)
    pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
    rss = pages * resource.getpagesize()
    print(json.dumps({"ready_s": ready, "rss": rss, "calls_per_second": rates}))


main()
