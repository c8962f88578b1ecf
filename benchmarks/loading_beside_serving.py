"""
Measures the latency of a model, without and with versions of a large model that load meanwhile.

    python -m benchmarks.loading_beside_serving [--rounds 4] [--seconds 6] [--rate 300]

`tensorflow_model_server` answers one row of 784 floats at a fixed rate. In every other round,
versions of a ResNet-50 with random weights (100 MB) are added one after the other. Each one loads,
and the previous one is unloaded.
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import statistics
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import orjson

from benchmarks.console import machine, tell
from benchmarks.contender import HERE, Endpoint, Unavailable, free_port, server
from benchmarks.in_turn import Figures, Rounds, in_turn, ratio, ratio_text, table
from benchmarks.model_server import read_predictions, rest_body
from benchmarks.service import make_models

CONNECTIONS = 16
ALONE, LOADING = "alone", "loading"
_POLL_S = 0.05
_LOAD_S = 120


@dataclass
class Versions:
    """Versions of one model, which link to the same files, and the seconds that each took."""

    model: Path
    base: Path
    status_url: str = ""
    number: int = 0
    took: list[float] = field(default_factory=list)

    def put(self) -> None:
        """Add the next version, and remove the previous one."""
        self.base.mkdir(exist_ok=True)
        self.number += 1
        (self.base / str(self.number)).symlink_to(self.model.resolve())
        (self.base / str(self.number - 1)).unlink(missing_ok=True)

    def load(self, over: threading.Event) -> None:
        """Add versions, each when the last one is available, until `over` is set."""
        while not over.is_set():
            begin = time.perf_counter()
            self.put()
            while not self._is_available():
                if time.perf_counter() - begin > _LOAD_S:
                    raise Unavailable(f"version {self.number} is not available after {_LOAD_S} s")
                time.sleep(_POLL_S)
            self.took.append(time.perf_counter() - begin)

    def _is_available(self) -> bool:
        with urllib.request.urlopen(self.status_url, timeout=30) as answer:
            states = orjson.loads(answer.read())["model_version_status"]
        return {"version": str(self.number), "state": "AVAILABLE"}.items() <= states[0].items()


@contextlib.contextmanager
def serving(work: Path, large: Versions) -> Iterator[Endpoint]:
    """Serve the small and the large model, and yield the endpoint of the small one."""
    known = np.load(work / "rows.npz")
    small = Versions(work / "mlp", work / "small")
    for each in (small, large):
        each.put()
    config = work / "models.config"
    entries = [
        f"config {{ name: '{each.base.name}', base_path: '{each.base}' }}"
        for each in (small, large)
    ]
    config.write_text(f"model_config_list {{ {' '.join(entries)} }}")
    port = free_port()
    models = f"http://127.0.0.1:{port}/v1/models"
    large.status_url = f"{models}/{large.base.name}"
    command = [
        sys.executable,
        "-m",
        "eas_processor.cli.model_server",
        f"--rest_api_port={port}",
        f"--model_config_file={config}",
    ]
    row = rest_body(known["images"][:1])
    endpoint = Endpoint(f"{models}/small:predict", row, read_predictions, "application/json")
    variables = {"PYTHONPATH": str(HERE.parent), "EAS_HOME": str(work / "home")}
    with server(command, endpoint, work, **variables) as running:
        running.check(known["scores"][0])
        yield running


def measure(work: Path, rounds: int, seconds: float, rate: float) -> tuple[Rounds, list[str]]:
    """Measure the small model's latency, alone and during loads, and return lines of results."""
    large = Versions(work / "resnet", work / "large")
    with serving(work, large) as endpoint:

        def alone() -> Figures:
            return vars(endpoint.load(CONNECTIONS, seconds, rate=rate))

        def loading() -> Figures:
            over = threading.Event()
            loader = threading.Thread(target=large.load, args=(over,))
            loader.start()
            try:
                return vars(endpoint.load(CONNECTIONS, seconds, rate=rate))
            finally:
                over.set()
                loader.join()

        found = in_turn({ALONE: alone, LOADING: loading}, rounds, "loading")
    figures = [("p50", "ms p50"), ("p99", "ms p99"), ("worst", "ms at most")]
    lines = [
        *table(found, figures),
        f"  p99 of {LOADING} / {ALONE}: {ratio_text(ratio(found, 'p99', LOADING, ALONE))}",
        f"  {len(large.took)} versions were loaded, each within "
        f"{statistics.median(large.took):.1f} s of its appearance",
    ]
    return found, lines


def main() -> int:
    """Measure and print. Return 1 if this is not possible here."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--rounds", type=int, default=4, help="of each side (default: 4)")
    parser.add_argument("--seconds", type=float, default=6.0, help="of a round (default: 6)")
    parser.add_argument("--rate", type=float, default=300, help="requests/s (default: 300)")
    options = parser.parse_args()
    # SIGTERM raises an exception, so that the server is ended.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    print(f"machine: {machine()}")
    with tempfile.TemporaryDirectory(prefix="eas-loading-") as scratch:
        tell("making the models")
        make_models(Path(scratch), "--resnet")
        try:
            _, lines = measure(Path(scratch), options.rounds, options.seconds, options.rate)
        except Unavailable as error:
            print(f"  not measured: {error}")
            return 1
    tell("")
    print(f"{options.rate:g} requests/s over {CONNECTIONS} connections", *lines, sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
