"""The time of one request of our service, split into steps, and its processor time."""

from __future__ import annotations

import os
import re
import statistics
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.contender import Endpoint
from benchmarks.footprint import below
from benchmarks.service import body, service_file, serving

STEPS = ("receive", "queue", "decode", "run", "encode", "send")
_CELLS = ((True, 1), (True, 8), (True, 32), (True, 128), (False, 32))
_SAMPLE = re.compile(r"eas_(step_seconds|batch_rows)_(sum|count)\{(.*)\} (\S+)")


def budget(work: Path, row: np.ndarray, seconds: float, rounds: int) -> list[dict[str, Any]]:
    """
    Return a cell for each load, with the medians of `rounds`.

    The steps are means in microseconds, from `/metrics`. `engine_us`, `worker_us` and `load_us` are
    the processor time of one request in the three processes, as the kernel counts it.
    """
    cells = []
    for batching in (True, False):
        content = service_file(work / "mlp", batching=batching)
        with serving(work, content) as service:
            endpoint = Endpoint(service.url, body(row), token=service.token)
            processes = {
                "engine": service.pid,
                "worker": below(service.pid)[1],
                "load": os.getpid(),
            }
            for connections in (c for b, c in _CELLS if b is batching):
                measured = [_cell(endpoint, processes, connections, seconds) for _ in range(rounds)]
                medians = {key: statistics.median(m[key] for m in measured) for key in measured[0]}
                cells.append({"batching": batching, "connections": connections, **medians})
    return cells


def _cell(
    endpoint: Endpoint, processes: dict[str, int], connections: int, seconds: float
) -> dict[str, float]:
    before, spent = _metrics(endpoint.url), {n: _processor_us(p) for n, p in processes.items()}
    throughput = endpoint.load(connections, seconds).throughput
    after = {name: value - before.get(name, 0) for name, value in _metrics(endpoint.url).items()}
    answered = after["step_seconds count send"]
    cell = {"throughput": throughput}
    cell["rows_a_run"] = after["batch_rows sum "] / after["batch_rows count "]
    for step in STEPS:
        total = after[f"step_seconds sum {step}"]
        cell[step] = total / after[f"step_seconds count {step}"] * 1e6
    for name, pid in processes.items():
        cell[f"{name}_us"] = (_processor_us(pid) - spent[name]) / answered
    return cell


def _metrics(url: str) -> dict[str, float]:
    address = url.partition("/api/")[0] + "/metrics"
    with urllib.request.urlopen(address, timeout=10) as answer:
        text = answer.read().decode()
    found = {}
    for name, kind, labels, value in _SAMPLE.findall(text):
        step = re.search(r'step="(\w+)"', labels)
        found[f"{name} {kind} {step[1] if step else ''}"] = float(value)
    return found


def _processor_us(pid: int) -> float:
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e3


def lines(cells: list[dict[str, Any]]) -> list[list[str]]:
    """Return the rows of the table, one for each figure."""
    figures = {
        "requests/s": "throughput",
        "rows a run": "rows_a_run",
        **{step: step for step in STEPS},
        "processor time: engine": "engine_us",
        "processor time: worker": "worker_us",
        "processor time: load generator": "load_us",
    }
    return [
        [label, *(f"{cell[key]:,.0f}" if cell[key] >= 20 else f"{cell[key]:.1f}" for cell in cells)]
        for label, key in figures.items()
    ]


def head(cells: list[dict[str, Any]]) -> list[str]:
    """Return the headings of the columns."""
    return [
        "µs of one request",
        *(f"{c['connections']}, batching {'on' if c['batching'] else 'off'}" for c in cells),
    ]
