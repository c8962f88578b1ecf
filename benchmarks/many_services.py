"""
Measures the cost of many services in one engine.

    python -m benchmarks.many_services [--parts rate idle hundred] [--pairs 20] [--seconds 2]

`rate` sends the same load to an engine with one service and to one with ten: in all, 30 % of the
throughput of one service. `idle` sends the full load to one service, with and without nine idle
services. Both engines run at the same time and are loaded in turn, so that changes of the machine
affect both. `hundred` starts a hundred services, measures them idle, and adds, removes and changes
some under load. Each figure is printed with its goal. The exit status is 1 if a call failed.
"""

from __future__ import annotations

import argparse
import json
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.checkout import processor_s
from benchmarks.console import machine, tell
from benchmarks.engine_of_many import Engine, Round, children, engine_of_many, write_service
from benchmarks.footprint import rollup
from benchmarks.ratios import spread
from benchmarks.service import make_models

CONNECTIONS = 32
SHARE = 0.3
"""The rate of `rate`, as a share of the throughput of one service."""
IDLE_S = 20.0
MEMORY_MB, CORE, READY_S = 25.0, 0.001, 60.0


@dataclass(frozen=True)
class Line:
    """The format of a figure, and its goal."""

    what: str
    value: str
    goal: str = ""


def rounds(
    pairs: int, loads: Sequence[Callable[[], Round]], label: str
) -> list[tuple[Round, Round]]:
    """Load two engines in turn, each first in every second pair."""
    found = []
    for number in range(pairs):
        tell(f"{label}: pair {number + 1} of {pairs}")
        order = (0, 1) if number % 2 == 0 else (1, 0)
        pair = {side: loads[side]() for side in order}
        found.append((pair[0], pair[1]))
    return found


def ratio_lines(pairs: Sequence[tuple[Round, Round]], goals: dict[str, str]) -> list[Line]:
    """Return a line for each figure of `goals`: the ratio of ten services to one."""
    lines = []
    for figure, goal in goals.items():
        known = spread([getattr(ten, figure) / getattr(one, figure) for one, ten in pairs])
        one, ten = (spread([getattr(each[side], figure) for each in pairs]) for side in (0, 1))
        low, high = known.quartiles
        lines.append(
            Line(
                figure,
                f"{one.median:,.3f} → {ten.median:,.3f}: {known.median:.3f} "
                f"(quartiles {low:.3f} to {high:.3f})",
                goal,
            )
        )
    return lines


def measure_rate(one: Engine, ten: Engine, pairs: int, seconds: float) -> list[Line]:
    """Compare one service with ten at the same offered rate."""
    tries = [one.load(one.names, CONNECTIONS, seconds).throughput for _ in range(5)]
    capacity = statistics.median(tries)
    rate = SHARE * capacity
    loads = [
        lambda: one.load(one.names * len(ten.names), CONNECTIONS, seconds, rate),
        lambda: ten.load(ten.names, CONNECTIONS, seconds, rate),
    ]
    for each in loads:
        each()
    goals = {"p50": "<= 1.3", "engine": "<= 1.1", "p99": "", "worker": ""}
    offered = f"{rate:,.0f}/s of {capacity:,.0f}/s"
    return [
        Line("offered", offered),
        *ratio_lines(rounds(pairs, loads, "fixed rate"), goals),
    ]


def measure_idle(one: Engine, ten: Engine, pairs: int, seconds: float) -> list[Line]:
    """Compare the full load on one service, alone and with nine idle services."""
    loads = [
        lambda: one.load(one.names[:1], CONNECTIONS, seconds),
        lambda: ten.load(ten.names[:1], CONNECTIONS, seconds),
    ]
    for each in loads:
        each()
    goals = {"throughput": ">= 0.98", "p50": "", "engine": "", "worker": ""}
    return ratio_lines(rounds(pairs, loads, "idle neighbours"), goals)


def compare(parts: Sequence[str], work: Path, options: argparse.Namespace) -> dict[str, list[Line]]:
    """Measure the parts that compare an engine of one service with one of ten."""
    tell("starting two engines")
    sides = []
    for label, count in (("one", 1), ("ten", options.services)):
        directory = work / label
        directory.mkdir()
        for number in range(count):
            write_service(directory, f"s{number}", work / "mlp", batching=options.batching)
        sides.append(directory)
    with engine_of_many(sides[0]) as one, engine_of_many(sides[1]) as ten:
        measures = {"rate": measure_rate, "idle": measure_idle}
        return {
            part: measure(one, ten, options.pairs, options.seconds)
            for part, measure in measures.items()
            if part in parts
        }


def hundred(work: Path, count: int) -> list[Line]:
    """Start many services of a small model, measure them idle, then change some under load."""
    directory, models = work / "hundred", (work / "small", work / "mlp")
    directory.mkdir()
    names = [f"s{number:03}" for number in range(count)]
    for name in names:
        write_service(directory, name, models[0], batching=False)
    tell(f"starting {count} services")
    begin = time.perf_counter()
    with engine_of_many(directory, "--watch") as running:
        ready = time.perf_counter() - begin
        lines = [Line(f"all {count} ready", f"{ready:.1f} s", f"< {READY_S:.0f} s")]
        running.load(names, count, 3.0)
        return [*lines, *_idle(running), *_changes(running, directory, models)]


def _idle(running: Engine) -> list[Line]:
    """Measure the memory and the processor time of idle workers."""
    workers = running.workers()
    time.sleep(3)
    before = {pid: processor_s(pid) for pid in [running.pid, *workers]}
    tell(f"idle for {IDLE_S:.0f} s")
    time.sleep(IDLE_S)
    used = {pid: (processor_s(pid) - spent) / IDLE_S for pid, spent in before.items()}
    engine = used.pop(running.pid)
    memory = [rollup(pid, "Private_Clean", "Private_Dirty") for pid in workers]
    others = [pid for pid in children(running.pid) if pid not in workers]
    return [
        Line("processes", f"{len(workers)} workers, {len(others)} others", "2: launcher, spare"),
        Line("private memory of a worker", _mostly(memory, "MB"), f"<= {MEMORY_MB:.0f} MB"),
        Line(
            "idle worker, of a core",
            _mostly([100 * each for each in used.values()], "%"),
            f"<= {100 * CORE:.1f} %",
        ),
        Line("idle engine, of a core", f"{100 * engine:.2f} %"),
    ]


def _mostly(values: Sequence[float], unit: str) -> str:
    known = spread(values)
    return f"median {known.median:.3f} {unit}, most {max(values):.3f} {unit}"


def _changes(running: Engine, directory: Path, models: tuple[Path, Path]) -> list[Line]:
    """Add, change and remove a service while others are called. Raises Unavailable on a failure."""
    small, other = models
    *_, removed, changed = running.names

    def change() -> None:
        write_service(directory, "new", small, batching=False)
        running.wait_for_ready(len(running.names) + 1)
        write_service(directory, changed, other, batching=False)
        running.wait_for_model(changed, other)
        (directory / f"{removed}.json").unlink()
        running.wait_for_ready(len(running.names))

    answered = running.load_during(running.names[:4], CONNECTIONS, change)
    return [Line("added, changed, removed under load", f"0 of {answered:,} failed", "0")]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.many_services", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    all_parts = ["rate", "idle", "hundred"]
    parser.add_argument("--parts", nargs="+", choices=all_parts, default=all_parts)
    parser.add_argument("--pairs", type=int, default=20, help="of rounds (default: 20)")
    parser.add_argument("--seconds", type=float, default=2.0, help="of a round (default: 2)")
    parser.add_argument("--services", type=int, default=10, help="beside one (default: 10)")
    parser.add_argument("--hundred", type=int, default=100, metavar="N", help="default: 100")
    parser.add_argument("--batching", action="store_true", help="with rpc.batching on")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    return parser.parse_args()


def main() -> int:
    """Measure, print, and write the figures if asked to."""
    options = _options()
    # SIGTERM raises an exception, so that running engines are ended.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    found: dict[str, list[Line]] = {}
    with tempfile.TemporaryDirectory(prefix="eas-many-") as scratch:
        work = Path(scratch)
        tell("making the models")
        make_models(work, "--small")
        if {"rate", "idle"} & {*options.parts}:
            found |= compare(options.parts, work, options)
        if "hundred" in options.parts:
            found["hundred"] = hundred(work, options.hundred)
    tell("")
    print(f"machine: {machine()}")
    for part, lines in found.items():
        print(f"\n{part}")
        for each in lines:
            goal = f"   (goal: {each.goal})" if each.goal else ""
            print(f"  {each.what:36} {each.value}{goal}")
    if options.json:
        facts: dict[str, Any] = {"machine": machine(), "pairs": options.pairs}
        facts |= {part: [vars(each) for each in lines] for part, lines in found.items()}
        options.json.write_text(json.dumps(facts, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
