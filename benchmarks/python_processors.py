"""
Measures the cost of Python processors compared with plain hooks.

    python -m benchmarks.python_processors [--pairs 20] [--seconds 1] [--connections 32]

Three services of one engine answer any body of 3 KB with the same 60 bytes. `echo` is a hook that
gets the bytes of the body and returns bytes, `function` a plain `process(model, request)`, and
`allspark` the vendor's class. Each of the other two is loaded in turn with `echo`.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
from functools import partial
from pathlib import Path

from benchmarks.console import machine
from benchmarks.engine_of_many import Engine, engine_of_many
from benchmarks.many_services import ratio_lines, rounds

FLOOR = "echo"
GOAL = ">= 0.9"
_ANSWER = "ANSWER = b'x' * 60\n"
_INITIALIZE = "def initialize(model_entry, model_config): return None\n"
PROCESSORS = {
    FLOOR: "TAKES_CODECS = True\n"
    + _INITIALIZE
    + "def process(model, request, codec): return ANSWER\n",
    "function": _INITIALIZE + "def process(model, request): return ANSWER\n",
    "allspark": "import allspark\n"
    "class P(allspark.BaseProcessor):\n"
    "    def process(self, data): return ANSWER, 200\n"
    "if __name__ == '__main__': P(worker_threads=5).run()\n",
}


def write_services(directory: Path) -> None:
    """Write a service file for each processor. The token of a service is its name."""
    for name, source in PROCESSORS.items():
        (directory / f"{name}.py").write_text(_ANSWER + source)
        content = {
            "name": name,
            "token": name,
            "processor_path": f"./{name}.py",
            "metadata": {"instance": 1, "cpu": 1, "rpc": {"max_queue_size": 512}},
        }
        (directory / f"{name}.json").write_text(json.dumps(content))


def measure(engine: Engine, pairs: int, seconds: float, connections: int) -> None:
    """Print the requests/s of each processor, and their ratio to those of the floor."""
    for name in PROCESSORS:
        engine.load([name], connections, seconds)
    for name in PROCESSORS:
        if name == FLOOR:
            continue
        loads = [partial(engine.load, [each], connections, seconds) for each in (FLOOR, name)]
        goals = {"throughput": GOAL, "p50": "", "engine": "", "worker": ""}
        print(f"\n{name} / {FLOOR}, {connections} connections")
        for line in ratio_lines(rounds(pairs, loads, name), goals):
            goal = f"   (goal: {line.goal})" if line.goal else ""
            print(f"  {line.what:12} {line.value}{goal}")


def main() -> int:
    """Start the engine, measure and print."""
    parser = argparse.ArgumentParser(prog="benchmarks.python_processors", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--pairs", type=int, default=20, help="of rounds (default: 20)")
    parser.add_argument("--seconds", type=float, default=1.0, help="of a round (default: 1)")
    parser.add_argument("--connections", type=int, default=32, metavar="N", help="default: 32")
    options = parser.parse_args()
    # SIGTERM raises an exception, so that the engine is ended.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="eas-python-") as scratch:
        write_services(Path(scratch))
        with engine_of_many(Path(scratch)) as engine:
            print(f"machine: {machine()}")
            measure(engine, options.pairs, options.seconds, options.connections)
    return 0


if __name__ == "__main__":
    sys.exit(main())
