"""What the tests of the engine share: settings, a server without sockets, and gates for workers."""

from __future__ import annotations

import asyncio
import errno
import inspect
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
import uvloop

from eas_processor.builds.rooms import rooms_directory
from eas_processor.engine.connection import HttpConnection
from eas_processor.engine.metrics import ServiceMetrics
from eas_processor.engine.router import Endpoint, Router
from eas_processor.engine.server import HttpServer
from eas_processor.engine.settings import EngineSettings, ServiceSettings, WorkerSettings
from eas_processor.errors import RequestError

HERE = Path(__file__).parent
ECHO = str(HERE.parent / "processors" / "echo.py")
PATIENCE_S = 20.0


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a test that is a coroutine in the engine's own kind of loop."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {
        name: pyfuncitem.funcargs[name] for name in inspect.signature(pyfuncitem.obj).parameters
    }

    async def run() -> None:
        await asyncio.wait_for(pyfuncitem.obj(**arguments), 3 * PATIENCE_S)

    uvloop.run(run())
    return True


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def eas_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The data directory of the tests of the engine, one for all of them."""
    monkeypatch.setenv("EAS_HOME", str(home))


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
    service: Callable[..., ServiceSettings], eas_home: None
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

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.half_closed = True

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = self.aborted = True

    def is_closing(self) -> bool:
        return self.closed

    def get_extra_info(self, name: str) -> Any:
        return {"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 8080)}.get(name)

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


class FakeAdmission:
    """Notes what it is asked; the test answers the requests."""

    ready = True

    def __init__(self) -> None:
        self.metrics = ServiceMetrics()
        self.watched: list[Any] = []
        self.submitted: list[Any] = []
        self.withdrawn: list[Any] = []
        self.bodies: list[bytes] = []
        self.busy: RequestError | None = None

    def begin(self, request: Any) -> None:
        self.watched.append(request)

    def end(self, request: Any) -> None:
        if request in self.watched:
            self.watched.remove(request)

    def gauges(self) -> dict[str, int]:
        return {"in_flight": 0, "queue_length": 0, "instances_ready": 1}

    def refusal(self, size: int) -> RequestError | None:
        return self.busy

    def submit(self, request: Any, now: float) -> None:
        self.submitted.append(request)
        self.bodies.append(b"".join(request.body))

    def withdraw(self, request: Any) -> None:
        self.end(request)
        self.withdrawn.append(request)


class Desk:
    """A server with the service `echo`, its admission, and a client of it."""

    def __init__(self, service: ServiceSettings, **settings: Any) -> None:
        self.admission = FakeAdmission()
        self.info = {"info_status": 200, "info": '{"signature_name": "echo"}'}
        supervisor = SimpleNamespace(info=self.info, instances=[])
        endpoint = Endpoint(service, self.admission, supervisor)  # type: ignore[arg-type]
        self.server = HttpServer(EngineSettings(**settings), Router([endpoint]))
        self.client = self.new_client()

    def new_client(self) -> FakeClient:
        return FakeClient(self.server)

    def answer_all(self) -> None:
        """Answer every request with its body, the last to arrive first."""
        for request, body in reversed(
            [*zip(self.admission.submitted, self.admission.bodies, strict=True)]
        ):
            request.answer(200, [body])


@pytest.fixture
def fake_transport() -> type[FakeTransport]:
    return FakeTransport


@pytest.fixture
def make_desk(service: Callable[..., ServiceSettings]) -> Callable[..., Desk]:
    """Makes a Desk with the given settings of the engine."""
    return lambda **settings: Desk(service(token="t"), **settings)


@pytest.fixture
def desk(make_desk: Callable[..., Desk]) -> Desk:
    return make_desk()


def http(method: str, target: str, *lines: str, version: str = "1.1") -> bytes:
    return "\r\n".join([f"{method} {target} HTTP/{version}", "Host: h", *lines, "", ""]).encode()


@pytest.fixture(name="http")
def http_fixture() -> Callable[..., bytes]:
    """Makes the head of a request."""
    return http


@pytest.fixture
def post() -> Callable[..., bytes]:
    """Makes the bytes of a POST with the token "t" to the service `echo`."""

    def make(body: bytes = b"", *lines: str, token: str = "t", size: int | None = None) -> bytes:
        length = len(body) if size is None else size
        head = [f"Authorization: {token}", f"Content-Length: {length}", *lines]
        return http("POST", "/api/predict/echo", *head) + body

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


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def running(word: str) -> list[int]:
    """Return the live processes that have `word` in their arguments or environment."""
    paths = [*Path("/proc").glob("[0-9]*/cmdline"), *Path("/proc").glob("[0-9]*/environ")]
    return sorted({int(each.parent.name) for each in paths if word.encode() in _read(each)})


@pytest.fixture(name="running")
def running_fixture() -> Callable[[str], list[int]]:
    return running


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and was not reaped yet does not."""
    return b"\nState:\tZ" not in (_read(Path(f"/proc/{pid}/status")) or b"\nState:\tZ")


@pytest.fixture(name="alive")
def alive_fixture() -> Callable[[int], bool]:
    return alive


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
        self._end = None


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    return Gate(tmp_path / "gate")


@pytest.fixture
def gate_hooks() -> str:
    return str(HERE / "processors" / "gate.py")


@pytest.fixture
def threaded_hooks() -> str:
    return str(HERE.parent / "processors" / "threaded.py")
