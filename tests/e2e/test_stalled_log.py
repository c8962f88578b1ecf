"""A log that nobody reads: a full pipe, a terminal on hold; the service goes on, and ends."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from e2e import models
from e2e.conftest import EASCMD, START_S
from e2e.front_door import PATIENCE_S, TESTS, Client, post

from eas_processor.instances.worker_output import LINES_A_SECOND

# `eascmd serve` without TensorFlow: the log and the streams as it sets them up, and the engine.
PROGRAM = (
    "import sys; from eas_processor.cli.logs import set_up; set_up(verbose=False);"
    "from fixtures.serve import main; sys.exit(main())"
)
LOUD = """
import os, time

def initialize(model_entry, model_config):
    return None

def process(model, request):
    lines, printed, end = LINES, 0, time.monotonic() + 3
    while time.monotonic() < end:
        printed += os.write(1, lines)
    return str(printed).encode()

def get_serving_model_info(model):
    return b"{}"
"""
LONG = "x" * 2000
# An answer takes milliseconds; one that waits for a log that nobody reads never comes.
HELD_UP_S = 2.5


class Stalled:
    """A pipe that nobody reads, full from the beginning."""

    def __init__(self) -> None:
        self.end, self.descriptor = os.pipe()
        os.set_blocking(self.descriptor, False)
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(self.descriptor, b"f" * 4095 + b"\n")
        os.set_blocking(self.descriptor, True)
        self.received = b""

    def read_on(self, enough: bytes = b"") -> None:
        """Read until `enough` was read, else to the end."""
        while not enough or enough not in self.received:
            piece = os.read(self.end, 65536)
            if not piece:
                break
            self.received += piece

    def read(self) -> list[str]:
        """Read to the end; return the lines that are not what filled the pipe."""
        os.close(self.descriptor)
        self.read_on()
        os.close(self.end)
        assert self.received.endswith(b"\n")
        return [line for line in self.received.decode().splitlines() if line != "f" * 4095]


class Service:
    """A running engine; its stdout and stderr are `descriptor`."""

    def __init__(self, directory: Path, descriptor: int, **options: Any) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.address = ("127.0.0.1", free.getsockname()[1])
        hooks = str(TESTS / "processors" / "echo.py")
        worker = {"hooks": hooks, "model_config": "", "threads": 1, "batch_size": 1}
        given = {
            "worker": worker | options,
            "engine": {"port": self.address[1], "access_log": 1.0, "drain_moment": 0.1},
            "service": {"token": "", "keepalive": PATIENCE_S},
        }
        path = os.pathsep.join([str(TESTS), str(TESTS.parent)])
        environment = {"PYTHONPATH": path, "TMPDIR": str(directory), "EAS_HOME": str(directory)}
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, json.dumps(given)],
            stdout=descriptor,
            stderr=descriptor,
            env=os.environ | environment,
        )

    def client(self) -> Client:
        return connect(self.address, self.process, PATIENCE_S)

    def ask(self, count: int) -> float:
        """Send requests that are predicted, and some that are logged at length; then /healthz."""
        with self.client() as client:
            wrong = f"GET /{LONG} HTTP/1.1\r\nHost: h\r\n\r\n".encode()
            for _ in range(count // 20):
                client.send(post(b"hello") * 10 + wrong * 10)
                assert [client.response().status for _ in range(20)] == [200] * 10 + [404] * 10
            began = time.monotonic()
            assert client.ask(b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n").status == 200
            return time.monotonic() - began

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_S)


def connect(address: tuple[str, int], process: subprocess.Popen[bytes], within: float) -> Client:
    """Connect as soon as it listens: nobody can read where."""
    end = time.monotonic() + within
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(ConnectionRefusedError):
            return Client(address)
        time.sleep(0.02)
    pytest.fail("the service did not start")


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Service]]:
    started: list[Service] = []

    def make(descriptor: int, **options: Any) -> Service:
        started.append(Service(tmp_path, descriptor, **options))
        return started[-1]

    yield make
    for each in started:
        each.process.kill()
        each.process.wait()


def test_a_pipe_that_is_never_read_holds_up_nothing(start: Callable[..., Service]) -> None:
    stalled = Stalled()
    service = start(stalled.descriptor)
    assert service.ask(5000) < HELD_UP_S
    assert service.end() == 0
    # Nothing was taken out of it, so nothing came in; above all no part of a line.
    assert stalled.read() == []


def test_a_pipe_that_is_read_again_gets_whole_lines_and_the_count(
    start: Callable[..., Service],
) -> None:
    stalled = Stalled()
    service = start(stalled.descriptor)
    service.ask(5000)
    stalled.read_on(b"were dropped")
    assert service.end() == 0
    lines = stalled.read()
    first = next(number for number, line in enumerate(lines) if line.startswith("http://"))
    records = [json.loads(line) for line in lines[:first] + lines[first + 1 :]]
    assert "is ready" in records[0]["message"]
    assert "shutting down" in records[-1]["message"]
    (notice,) = (each["message"] for each in records if "were dropped" in each["message"])
    answers = sum(each["logger"] == "eas_processor.access" for each in records)
    assert answers > 1000
    assert int(notice.split(" ")[0]) + answers >= 5001


@pytest.mark.parametrize(
    "lines",
    [b"x" * 99 + b"\n", b"x" * 65535 + b"\n", b"\n" * 65536],
    ids=["short", "long", "empty"],
)
def test_a_worker_that_prints_without_end_holds_up_nobody(
    start: Callable[..., Service], tmp_path: Path, lines: bytes
) -> None:
    hooks = tmp_path / "loud.py"
    hooks.write_text(LOUD.replace("LINES", repr(lines)))
    with (tmp_path / "log").open("wb") as log:
        service = start(log.fileno(), hooks=str(hooks))
    with service.client() as loud, service.client() as client:
        loud.send(post(b"print"))
        waits, end = [], time.monotonic() + 3.0
        while time.monotonic() < end:
            began = time.monotonic()
            assert client.ask(b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n").status == 200
            waits.append(time.monotonic() - began)
            time.sleep(0.01)
        printed = int(loud.response().body)
    log_text = (tmp_path / "log").read_text()
    waits.sort()
    print(f"{printed / 3e6:.0f} MB/s printed, slowest {waits[-1] * 1e3:.0f} ms")
    # A busy machine makes some wait: for the processor, which the worker takes as well.
    assert waits[len(waits) // 2] < 0.25 and waits[-1] < HELD_UP_S
    assert printed > 1_000_000
    # A slow machine may print fewer long lines than are let through.
    if printed / (lines.index(b"\n") + 1) > 6 * LINES_A_SECOND:
        assert "it printed more than" in log_text
    assert len(log_text) < 20_000_000


def test_a_terminal_on_hold_holds_up_nothing(start: Callable[..., Service]) -> None:
    master, terminal = pty.openpty()
    service = start(terminal)
    assert service.ask(1000) < HELD_UP_S
    assert service.end() == 0
    os.close(terminal)
    os.close(master)


def test_the_reason_of_a_failed_start_is_no_reason_to_stay(start: Callable[..., Service]) -> None:
    stalled = Stalled()
    assert start(stalled.descriptor, model_config="refuse").process.wait(PATIENCE_S) == 1
    assert stalled.read() == []


def test_the_reason_of_a_failed_start_is_the_last_line(start: Callable[..., Service]) -> None:
    end, descriptor = os.pipe()
    assert start(descriptor, model_config="refuse").process.wait(PATIENCE_S) == 1
    os.close(descriptor)
    with os.fdopen(end) as lines:
        assert lines.read().splitlines()[-1] == "this model is refused"


def test_closed_streams_are_no_reason_to_fail(start: Callable[..., Service]) -> None:
    end, descriptor = os.pipe()
    os.close(end)
    service = start(descriptor)
    os.close(descriptor)
    service.ask(100)
    assert service.end() == 0


def test_eascmd_serve_with_a_full_pipe(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    model = str(models.save_linear(tmp_path / "model"))
    path = tmp_path / "service.json"
    service = {"name": "m", "model_path": model, "processor": "tensorflow_cpu", "token": ""}
    path.write_text(json.dumps(service))
    stalled = Stalled()
    process = subprocess.Popen(
        [EASCMD, "serve", path, "--port", str(port), "--access-log", "1"],
        stdout=stalled.descriptor,
        stderr=stalled.descriptor,
        env=os.environ | {"EAS_HOME": str(tmp_path / "home")},
    )
    try:
        with connect(("127.0.0.1", port), process, START_S) as client:
            for _ in range(100):
                assert client.ask(b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n").status == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
    assert stalled.read() == []
