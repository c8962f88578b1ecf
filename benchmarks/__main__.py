"""`python -m benchmarks [--quick]`: measure, print, and write `results/latest.json`."""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import footprint, grpc, report
from benchmarks.budget import budget
from benchmarks.console import machine, tell
from benchmarks.contender import HERE, Cell, Contender, Unavailable
from benchmarks.peers import PEERS, contenders
from benchmarks.service import ROWS, big_body, echo, make_models, ours
from eas_processor.errors import EasError

RESULTS = HERE / "results" / "latest.json"
LARGE = {"600 KB": 4, "8 MB": 2}
"""The connections of the load with large bodies."""


class Run:
    """One run of the benchmark, with the results so far."""

    def __init__(self, work: Path, *, seconds: float, rounds: int) -> None:
        self.work = work
        self.seconds = seconds
        self.rounds = rounds
        self.results: dict[str, Any] = {
            "when": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": machine(),
            "seconds": seconds,
            "rounds": rounds,
            "rows": [],
            "left_out": {},
        }
        known = np.load(work / "rows.npz")
        self.row, self.scores = known["images"][:1], known["scores"][0]

    def group(self, members: Sequence[Contender], bodies: dict[str, int] | None = None) -> None:
        """Start contenders together, check their answers, and load them in turn."""
        with contextlib.ExitStack() as stack:
            running = []
            for each in members:
                tell(f"starting {each.name}")
                try:
                    endpoint = stack.enter_context(each.start())
                    endpoint.check(self.scores)
                    running.append((each, endpoint))
                except (Unavailable, EasError, OSError) as error:
                    self.results["left_out"][each.name] = str(error)
            for connections in (1, 8, 32, 128):
                self._cells(running, "3 KB", connections)
            for size, connections in (bodies or {}).items():
                ours_and_echo = [(c, e) for c, e in running if "eas" in c.name or "echo" in c.name]
                self._cells(ours_and_echo, size, connections)

    def _cells(self, running: list[Any], size: str, connections: int) -> None:
        payload = None if size == "3 KB" else big_body(ROWS[size])
        cells: dict[str, list[Cell]] = {}
        for number in range(self.rounds):
            for contender, endpoint in running:
                tell(f"{contender.name}: {size}, {connections} connections, round {number + 1}")
                try:
                    cell = endpoint.load(connections, self.seconds, payload)
                    cells.setdefault(contender.name, []).append(cell)
                except (Unavailable, EasError, OSError) as error:
                    key = f"{contender.name}, {size}, {connections} connections"
                    self.results["left_out"][key] = str(error)
        for contender, _ in running:
            if rounds := cells.get(contender.name):
                self.results["rows"].append(_row(contender, size, connections, rounds))

    def save(self, path: Path, took: float) -> None:
        """Write the results so far, so that an interrupted run keeps them."""
        self.results["took_s"] = round(took)
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(self.results, indent=1) + "\n")

    def part(self, name: str, measure: Callable[[], Any]) -> None:
        """Measure one part. A failure is recorded with its reason."""
        tell(name)
        try:
            self.results[name] = measure()
        except Exception as error:  # the other parts are still measured
            self.results["left_out"][name] = f"{type(error).__name__}: {error}"


def _row(contender: Contender, size: str, connections: int, rounds: list[Cell]) -> dict[str, Any]:
    figures = [asdict(each) for each in rounds]
    medians = {key: statistics.median(each[key] for each in figures) for key in figures[0]}
    return {
        "name": contender.name,
        "settings": contender.settings,
        "body": size,
        "connections": connections,
        **medians,
        "rounds": figures,
    }


def main() -> int:
    """Measure everything. Return 1 if our own service could not be measured."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="under five minutes: floors, us, mosec"
    )
    parser.add_argument(
        "--long", action="store_true", help="the engine's memory after 10 million requests, too"
    )
    parser.add_argument("--rounds", type=int, help="rounds of each cell (default: 3)")
    parser.add_argument("--seconds", type=float, help="of a round (default: 1.5, quick 0.7)")
    parser.add_argument("--peers", help="names, or none (default: all, quick mosec)")
    parser.add_argument("--output", type=Path, default=RESULTS, help="default: %(default)s")
    options = parser.parse_args()
    # SIGTERM raises an exception, so that running servers are ended.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    wanted = (options.peers or ("mosec" if options.quick else "")).lower()
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="eas-benchmarks-") as scratch:
        work = Path(scratch)
        tell("making the models")
        make_models(work, *([] if options.quick else ["--resnet"]))
        run = Run(
            work,
            seconds=options.seconds or (0.7 if options.quick else 1.5),
            rounds=options.rounds or 3,
        )
        peers = [peer for peer in PEERS if not wanted or peer.name.lower() in wanted.split(",")]
        for _ in measure(run, peers, quick=options.quick, long=options.long):
            run.save(options.output, time.monotonic() - start)
    tell("")
    print(report.text(run.results))
    return 0 if any("eas" in row["name"] for row in run.results["rows"]) else 1


def measure(run: Run, peers: Sequence[Any], *, quick: bool, long: bool) -> Iterator[None]:
    """Measure each part. Floors, our service and the first peer are loaded in turn."""
    work, row = run.work, run.row
    own = [ours(work, row, batching=b, inline=i) for i in (False, True) for b in (True, False)]
    run.part("callable", lambda: footprint.callable_loop(work / "mlp", 1.0, 1, "1x784", "32x784"))
    first = [each for peer in peers[:1] for each in contenders(peer, work, row)]
    run.group([echo(work, row), *own, *first], LARGE)
    yield
    run.part("budget", lambda: budget(work, row, run.seconds, run.rounds))
    yield
    run.part("grpc", lambda: grpc.predict(work, run.rounds, run.seconds)[0])
    yield
    requests = 10_000_000 if long else 50_000
    rounds = 1 if quick or long else 3
    run.part("footprint", lambda: footprint.footprint(work, rounds, requests))
    yield
    run.part("sdks", lambda: footprint.sdks(work, 200 if quick else 1000))
    yield
    for peer in peers[1:]:
        for each in contenders(peer, work, row):
            run.group([each])
            yield
    if not quick:
        run.part("resnet", lambda: footprint.resnet(work, 2.0, 15))
        yield


if __name__ == "__main__":
    sys.exit(main())
