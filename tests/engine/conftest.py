"""What the tests of the engine share: settings, a client without sockets, and real engines."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest

from eas_processor.builds.rooms import rooms_directory
from eas_processor.engine.connection import HttpConnection
from eas_processor.engine.settings import ServiceSettings, WorkerSettings

HERE = Path(__file__).parent
ECHO = str(HERE.parent / "processors" / "echo.py")
PATIENCE_S = 20.0


@pytest.fixture
def patience() -> float:
    """Seconds after which a test that waits for something has failed."""
    return PATIENCE_S


@pytest.fixture(scope="session")
def eas_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A data directory of its own for all the tests of the engine."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EAS_HOME", str(home))
        yield home


@pytest.fixture
def service() -> Callable[..., ServiceSettings]:
    """Makes the settings of the service `echo`; keywords of WorkerSettings go to its worker."""

    def make(**changes: Any) -> ServiceSettings:
        worker = {
            "build": "echo",
            "python": Path(sys.executable),
            "rooms": Path("/nonexistent"),
            "hooks": ECHO,
            "model_entry": Path("/"),
            "model_config": "",
            "threads": 2,
            "batch_size": 1,
        }
        worker |= {key: changes.pop(key) for key in worker.keys() & changes.keys()}
        return ServiceSettings(
            **{"name": "echo", "token": "", "worker": WorkerSettings(**worker), **changes}
        )

    return make


@pytest.fixture
def real_service(
    service: Callable[..., ServiceSettings], eas_home: Path
) -> Callable[..., ServiceSettings]:
    """Like `service`, with the rooms that a launcher runs."""
    return lambda **changes: service(rooms=rooms_directory(), **changes)


# Without sockets


class FakeTransport:
    """The transport of a connection whose other end is the test."""

    def __init__(self) -> None:
        self.written = b""
        self.reading = True
        self.closed = False
        self.half_closed = False
        self.aborted = False
        self.unsent = 0

    def write(self, data: bytes) -> None:
        assert not self.half_closed, "written after the end"
        self.written += data

    def writelines(self, parts: list[bytes]) -> None:
        self.write(b"".join(parts))

    def write_eof(self) -> None:
        self.half_closed = True

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = self.aborted = True

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        assert self.reading
        self.reading = False

    def resume_reading(self) -> None:
        assert not self.reading
        self.reading = True

    def get_write_buffer_size(self) -> int:
        return self.unsent


class Response(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


def split_responses(raw: bytes) -> list[Response]:
    """Cut what a client has received into responses; there must be nothing left over."""
    responses = []
    while raw:
        head, separator, raw = raw.partition(b"\r\n\r\n")
        assert separator, f"half a head: {head!r}"
        first, *lines = head.decode().split("\r\n")
        version, status, _ = first.split(" ", 2)
        assert version == "HTTP/1.1"
        headers = {name.lower(): value for name, value in (line.split(": ") for line in lines)}
        length = int(headers.get("content-length", 0))
        responses.append(Response(int(status), headers, raw[:length]))
        assert len(raw) >= length, "half a body"
        raw = raw[length:]
    return responses


class FakeClient:
    """A client at the other end of an HttpConnection."""

    def __init__(self, server: Any) -> None:
        self.transport = FakeTransport()
        self.connection = HttpConnection(server)
        self.connection.connection_made(self.transport)  # type: ignore[arg-type]

    def send(self, data: bytes, piece: int = 0) -> None:
        """Let `data` arrive, in pieces of `piece` bytes."""
        for start in range(0, len(data), piece or len(data) or 1):
            self.connection.data_received(data[start : start + (piece or len(data))])

    def leave(self) -> None:
        self.transport.closed = True
        self.connection.connection_lost(None)

    @property
    def responses(self) -> list[Response]:
        return split_responses(self.transport.written)

    @property
    def response(self) -> Response:
        (response,) = self.responses
        return response


@pytest.fixture
def fake_client() -> type[FakeClient]:
    return FakeClient


@pytest.fixture
def fake_transport() -> type[FakeTransport]:
    return FakeTransport


@pytest.fixture
def post() -> Callable[..., bytes]:
    """Makes the bytes of a POST to the service `echo`."""

    def make(body: bytes = b"", *lines: str, path: str = "/api/predict/echo") -> bytes:
        head = [f"POST {path} HTTP/1.1", "Host: h", f"Content-Length: {len(body)}", *lines]
        return "\r\n".join([*head, "", ""]).encode() + body

    return make


# With processes


def eventually(condition: Callable[[], Any]) -> Any:
    """Return what `condition` returns as soon as that is true."""
    limit = time.monotonic() + PATIENCE_S
    while not (result := condition()):
        assert time.monotonic() < limit, "it did not happen"
        time.sleep(0.005)
    return result


@pytest.fixture(name="eventually")
def eventually_fixture() -> Callable[[Callable[[], Any]], Any]:
    return eventually


async def eventually_async(condition: Callable[[], Any]) -> Any:
    """Like `eventually`, for a test that runs in the engine's loop."""
    limit = time.monotonic() + PATIENCE_S
    while not (result := condition()):
        assert time.monotonic() < limit, "it did not happen"
        await asyncio.sleep(0.005)
    return result


@pytest.fixture(name="eventually_async")
def eventually_async_fixture() -> Callable[[Callable[[], Any]], Any]:
    return eventually_async


class Gate:
    """A named pipe on which a worker waits, with the processor `gate`."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self.command = f"wait {path}"
        self._path = path
        self._end: int | None = None

    def reached(self) -> bool:
        """Whether a worker waits."""
        if self._end is None:
            try:
                self._end = os.open(self._path, os.O_WRONLY | os.O_NONBLOCK)
            except OSError as error:
                assert error.errno == errno.ENXIO
        return self._end is not None

    def open(self) -> None:
        """Let the worker go on."""
        assert self._end is not None
        os.close(self._end)


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    return Gate(tmp_path / "gate")


@pytest.fixture
def gate_hooks() -> str:
    return str(HERE / "processors" / "gate.py")


@pytest.fixture
def threaded_hooks() -> str:
    return str(HERE / "processors" / "threaded.py")


class RunningEngine:
    """An engine in a process of its own."""

    def __init__(self, directory: Path, options: dict[str, Any]) -> None:
        self.directory = directory
        self._tag = uuid.uuid4().hex
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "serve.py"), json.dumps(options)],
            env={**os.environ, "TMPDIR": str(directory), "EAS_TEST_TAG": self._tag},
            stdout=subprocess.PIPE,
            stderr=(directory / "stderr").open("w"),
            text=True,
        )
        self._address = ""

    @property
    def address(self) -> str:
        """`HOST:PORT`, once it is ready."""
        if not self._address:
            assert self.process.stdout is not None
            line = self.process.stdout.readline()
            assert line, f"it is not ready: {self.stderr}"
            self._address = urlsplit(line.strip()).netloc
        return self._address

    @property
    def stderr(self) -> str:
        return (self.directory / "stderr").read_text()

    @property
    def processes(self) -> list[int]:
        """Every live process of this engine: itself, launchers, workers."""
        tag = f"EAS_TEST_TAG={self._tag}".encode()
        return [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if _has(pid, tag)]

    @property
    def left_over(self) -> list[str]:
        """The files that it has made and not removed."""
        return [name for name in os.listdir(self.directory) if name != "stderr"]

    @property
    def workers(self) -> list[int]:
        """The processes that hold a model, oldest first; found by what the log says of them."""
        lines = [line for line in self.stderr.splitlines() if "is ready (pid " in line]
        return [int(line.rpartition("pid ")[2].rstrip(")")) for line in lines]

    def connect(self) -> HTTPConnection:
        return HTTPConnection(self.address, timeout=PATIENCE_S)

    def post(self, body: bytes) -> tuple[int, bytes]:
        connection = self.connect()
        try:
            connection.request("POST", "/api/predict/echo", body)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def wait(self) -> int:
        return self.process.wait(PATIENCE_S)

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()
        for pid in self.processes:
            os.kill(pid, signal.SIGKILL)


def _has(pid: int, tag: bytes) -> bool:
    try:
        return tag in Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return False


@pytest.fixture
def start_engine(
    tmp_path_factory: pytest.TempPathFactory, eas_home: Path
) -> Iterator[Callable[..., RunningEngine]]:
    """
    Starts an engine with the processor `echo`.

    Keywords are settings: of the worker (hooks, model_config, threads), of the engine (port,
    drain_moment), and otherwise of the service.
    """
    started: list[RunningEngine] = []
    worker_keys, engine_keys = {"hooks", "model_config", "threads"}, {"port", "drain_moment"}

    def start(**changes: Any) -> RunningEngine:
        worker = {"hooks": ECHO, "model_config": "", "threads": 2, "batch_size": 1}
        engine = {"port": 0, "drain_moment": 0.05}
        worker |= {key: changes.pop(key) for key in worker_keys & changes.keys()}
        engine |= {key: changes.pop(key) for key in engine_keys & changes.keys()}
        options = {
            "worker": worker,
            "engine": engine,
            "service": {"token": "", "keepalive": PATIENCE_S, **changes},
        }
        running = RunningEngine(tmp_path_factory.mktemp("engine"), options)
        started.append(running)
        return running

    yield start
    for running in started:
        running.end()
