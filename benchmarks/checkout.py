"""The server of one checkout of this repository, and one round of load on it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import uvloop

from benchmarks.contender import Endpoint, Unavailable, free_port, server
from benchmarks.footprint import below
from benchmarks.service import service_file
from benchmarks.versus_rows import Body, Row, Service, make_body
from eas_processor.bench.load import Load, Plan, Result
from eas_processor.bench.summary import percentile
from eas_processor.bench.target import build_requests, parse_url

_TOKEN = "benchmark"


@dataclass(frozen=True)
class Round:
    """Requests a second, p50 in ms, and the processor time of a request in µs where it is known."""

    throughput: float
    p50: float
    engine: float | None
    worker: float | None


@dataclass(frozen=True)
class Side:
    """A running server: its endpoint, and the processes of engine, launcher and worker."""

    url: str
    engine: int
    workers: tuple[int, ...]

    def answers(self, row: Row) -> list[np.ndarray]:
        """Return the scores in the answers to each kind of request of a row."""
        kinds = [(path, make_body(row.body)) for path in row.paths]
        if row.beside:
            kinds.append(("", make_body(row.beside)))
        return [body.read(self._endpoint(path, body).ask()) for path, body in kinds]

    def load(self, row: Row, seconds: float) -> Round:
        """Load the server for one round. Raises Unavailable if a request fails."""
        spent = [processor_s(self.engine), *map(processor_s, self.workers)]
        counted, *others = uvloop.run(self._load(row, seconds))
        for each in (counted, *others):
            if each.failed or not each.good:
                why = f"{dict(each.statuses)} {dict(each.errors)}"
                raise Unavailable(f"{each.failed} of {each.answers} requests failed: {why}")
        now = [processor_s(self.engine), *map(processor_s, self.workers)]
        times = [(b - a) / counted.answers * 1e6 for a, b in zip(spent, now, strict=True)]
        return Round(
            throughput=counted.throughput,
            p50=percentile(sorted(counted.latencies), 50) * 1000,
            engine=None if others else times[0],
            worker=None if others or not self.workers else sum(times[1:]),
        )

    async def _load(self, row: Row, seconds: float) -> list[Result]:
        # There is no warm-up, because the processor time covers every request of the round.
        jobs = [(row.connections, row.paths, row.body)]
        if row.beside:
            jobs.append((1, ("",), row.beside))
        loads = []
        for connections, paths, name in jobs:
            requests = [self._request(path, make_body(name)) for path in paths]
            plan = Plan(connections, duration=seconds, warm_up=0)
            loads.append(Load(parse_url(self.url), requests, plan))
        return await asyncio.gather(*(each.run() for each in loads))

    def _request(self, path: str, body: Body) -> bytes:
        target = parse_url(self.url + path)
        kind = body.content_type
        return build_requests(target, [body.content], token=_TOKEN, content_type=kind)[0]

    def _endpoint(self, path: str, body: Body) -> Endpoint:
        return Endpoint(self.url + path, body.content, None, body.content_type, _TOKEN)


def processor_s(pid: int) -> float:
    """Return the processor time of a process and its ended threads. Raises Unavailable."""
    # The clock of the process (clock_getcpuclockid) has user and system time in ns. /proc/PID/stat
    # has steps of 10 ms, 0.5 % of a round.
    try:
        return time.clock_gettime((~pid << 3) | 2)
    except OSError as error:
        raise Unavailable(f"process {pid} has ended") from error


@contextlib.contextmanager
def serving(checkout: Path, service: Service, model: Path, scratch: Path) -> Iterator[Side]:
    """Run the server of a checkout. Raises Unavailable if it fails or runs other code."""
    scratch.mkdir(parents=True)
    # With a home of its own, both services can have the same name, so requests are equally long.
    variables = {"PYTHONPATH": str(checkout), "EAS_HOME": str(scratch / "home")}
    content = service_file(model, batching=service.batching) | {"token": _TOKEN}
    path = scratch / "service.json"
    path.write_text(json.dumps(content))
    port = free_port()
    body = make_body("protobuf")
    endpoint = Endpoint(
        f"http://127.0.0.1:{port}/api/predict/{content['name']}", body.content, token=_TOKEN
    )
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "eas_processor.cli",
        "serve",
        path,
        "--port",
        str(port),
    ]
    _check_engine(checkout, scratch, variables)
    with server([*command, *service.options], endpoint, scratch, **variables):
        workers = () if "--inline" in service.options else below(endpoint.pid)
        for launcher in workers[:1]:
            check_worker(checkout, launcher)
        yield Side(endpoint.url, endpoint.pid, workers)


def _check_engine(checkout: Path, cwd: Path, variables: dict[str, str]) -> None:
    """Raise Unavailable unless Python imports the package from the checkout."""
    probe = [sys.executable, "-c", "import eas_processor; print(eas_processor.__file__)"]
    environment = os.environ | variables
    done = subprocess.run(
        probe, cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    found = done.stdout.strip()
    if not found or not Path(found).is_relative_to(checkout):
        raise Unavailable(f"the code of {checkout} is not found: {found or done.stderr[-300:]}")


def check_worker(checkout: Path, launcher: int) -> None:
    """Raise Unavailable unless the worker runs a copy of the checkout's code."""
    arguments = Path(f"/proc/{launcher}/cmdline").read_bytes().decode().split("\0")
    copies = [Path(each) for each in arguments if each and Path(each, "eas_processor").is_dir()]
    if not copies:
        raise Unavailable(f"the worker's command names no copy of the code: {arguments}")
    for file in copies[0].rglob("*.py"):
        origin = checkout / file.relative_to(copies[0])
        # The program at its top is a copy of another name.
        if file.parent != copies[0] and file.read_bytes() != origin.read_bytes():
            raise Unavailable(f"the worker runs {file}, which differs from {origin}")


def equal(one: list[np.ndarray], other: list[np.ndarray]) -> bool:
    """Tell whether two servers have given the same answers, bit for bit."""
    return all(map(np.array_equal, one, other))
