"""A contender: a server in its own process group, a request, and a check of its answer."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
from uv import find_uv_bin

from eas_processor.bench.load import Plan, Result, run_load
from eas_processor.bench.summary import percentile
from eas_processor.bench.target import build_requests, parse_url

HERE = Path(__file__).parent
START_S = 300
"""On a busy machine Ray Serve takes two minutes and BentoML one."""


class Unavailable(Exception):
    """A contender that cannot be run here, and why."""


@dataclass
class Endpoint:
    """The URL and the request of a contender. `read` turns an answer into scores."""

    url: str
    body: bytes
    read: Callable[[bytes], np.ndarray] | None = None
    content_type: str = "application/octet-stream"
    token: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    pid: int = 0
    """The process of the server, while `server` runs it."""

    def ask(self, body: bytes | None = None) -> bytes:
        """Return the answer to one request. Raises Unavailable unless its status is 200."""
        target = parse_url(self.url)
        connection = http.client.HTTPConnection(target.host, target.port, timeout=30)
        fields = {"Content-Type": self.content_type, **self.headers}
        if self.token:
            fields["Authorization"] = self.token
        try:
            connection.request("POST", target.path, self.body if body is None else body, fields)
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        if answer.status != 200:
            raise Unavailable(f"{self.url}: {answer.status} {content[:200]!r}")
        return content

    def check(self, scores: np.ndarray) -> None:
        """Compare an answer with TensorFlow's own. Raises Unavailable if they differ."""
        if self.read is None:
            return
        got = self.read(self.ask()).reshape(-1)
        if got.shape != scores.shape or not np.allclose(got, scores, rtol=1e-4, atol=1e-6):
            raise Unavailable(f"{self.url} answers {got[:3]}..., expected {scores[:3]}...")

    def load(
        self,
        connections: int,
        seconds: float,
        body: bytes | None = None,
        *,
        requests: int = 0,
        rate: float = 0.0,
    ) -> Cell:
        """
        Load the endpoint for a time or a number of requests. Raises Unavailable if any fails.

        With `rate` above 0, this many requests start each second, whether or not answers arrive.
        """
        warm_up = min(0.4, seconds / 2)
        plan = Plan(connections, duration=seconds, warm_up=warm_up, requests=requests, rate=rate)
        target = parse_url(self.url)
        payloads = build_requests(
            target,
            [self.body if body is None else body],
            token=self.token,
            content_type=self.content_type,
            headers=self.headers,
        )
        result = run_load(target, payloads, plan)
        if result.failed or not result.good:
            raise Unavailable(f"{result.failed} requests failed: {result.statuses} {result.errors}")
        return Cell.of(result)


@dataclass
class Cell:
    """One short round: requests a second, and latencies in ms."""

    throughput: float
    p50: float
    p99: float
    worst: float

    @classmethod
    def of(cls, result: Result) -> Cell:
        """Return the figures of a run."""
        ordered = sorted(result.latencies)
        p50, p99, worst = (percentile(ordered, share) * 1000 for share in (50, 99, 100))
        return cls(result.throughput, p50, p99, worst)


@dataclass
class Contender:
    """The name of a server, the settings to print with its rows, and how to start it."""

    name: str
    settings: str
    start: Callable[[], contextlib.AbstractContextManager[Endpoint]]
    connections: Sequence[int] = (1, 8, 32, 128)


def free_port() -> int:
    """Return a free port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


class Asked(Protocol):
    """The part of an endpoint that `server` uses."""

    pid: int

    def ask(self) -> bytes:
        """Return the answer to one request. Raises Unavailable if it fails."""


_Asked = TypeVar("_Asked", bound=Asked)


@contextlib.contextmanager
def server(
    command: Sequence[str | Path], endpoint: _Asked, cwd: Path, **variables: str
) -> Iterator[_Asked]:
    """Run a server in a process group of its own. The block begins after its first answer."""
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    environment = os.environ | threads | {"PYTHONPATH": str(HERE / "servers")} | variables
    log = cwd / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(part) for part in command],
            cwd=cwd,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    endpoint.pid = process.pid
    try:
        _wait_until_it_answers(process, endpoint, log)
        yield endpoint
    finally:
        _end_group(process)


def _wait_until_it_answers(process: subprocess.Popen[bytes], endpoint: Asked, log: Path) -> None:
    end = time.monotonic() + START_S
    reason = ""
    while time.monotonic() < end and process.poll() is None:
        try:
            endpoint.ask()
            return
        except (OSError, http.client.HTTPException, Unavailable) as error:
            reason = str(error)
        time.sleep(0.1)
    tail = log.read_text(errors="replace")[-400:].strip()
    raise Unavailable(f"it did not start ({reason}): {tail}")


def _end_group(process: subprocess.Popen[bytes]) -> None:
    for number, wait in ((signal.SIGTERM, 8), (signal.SIGKILL, 8)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(wait)
        if process.poll() is not None and number == signal.SIGTERM:
            time.sleep(0.3)  # children of the group get the second signal


def environment_python(name: str, packages: Sequence[str]) -> Path:
    """Return the interpreter of an environment with these packages. The first use makes it."""
    directory = HERE / ".venvs" / name
    python = directory / "bin" / "python"
    stamp = directory / ".installed"
    if stamp.exists():
        return python
    # The interpreter of this benchmark, because builds of Python differ in speed. See
    # docs/decisions/plain-python.md.
    base = os.path.realpath(sys.executable)
    uv = find_uv_bin()
    make = [uv, "venv", "-q", "--clear", "-p", base]
    install = [uv, "pip", "install", "-q", "-p", str(python)]
    for command in ([*make, str(directory)], [*install, *packages]):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Unavailable(f"its packages cannot be installed: {done.stderr.strip()[-300:]}")
    stamp.touch()
    return python
