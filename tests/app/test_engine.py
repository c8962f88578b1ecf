"""The whole engine in a process of its own: how it starts, and how it ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

pytestmark = pytest.mark.medium

HERE = Path(__file__).parent
PATIENCE_S = 60.0


class RunningEngine:
    """An engine in a process of its own."""

    def __init__(
        self, directory: Path, options: dict[str, Any], running: Callable[[str], list[int]]
    ) -> None:
        self.directory = directory
        self._running = running
        self._tag = uuid.uuid4().hex
        self.process = subprocess.Popen(
            [sys.executable, str(HERE.parent / "fixtures" / "serve.py"), json.dumps(options)],
            env={
                **os.environ,
                "TMPDIR": str(directory),
                "EAS_TEST_TAG": self._tag,
                "EAS_WORKER_ENV": "EAS_TEST_TAG",
            },
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
        """Its live processes: itself, launchers, workers."""
        return self._running(f"EAS_TEST_TAG={self._tag}")

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

    def post_later(self, body: bytes) -> Callable[[], Any]:
        """Send a request; the function returned waits for what came of it."""
        outcome: list[Any] = []

        def send() -> None:
            try:
                outcome.append(self.post(body))
            except (OSError, HTTPException) as error:
                outcome.append(error)

        thread = threading.Thread(target=send, daemon=True)
        thread.start()

        def wait() -> Any:
            thread.join(PATIENCE_S)
            return outcome[0]

        return wait

    def wait(self) -> int:
        return self.process.wait(PATIENCE_S)

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()
        for pid in self.processes:
            os.kill(pid, signal.SIGKILL)


@pytest.fixture
def start_engine(
    tmp_path_factory: pytest.TempPathFactory, eas_home: None, running: Any
) -> Iterator[Callable[..., RunningEngine]]:
    """
    Starts an engine with the processor `echo`.

    Keywords are settings: of the worker (hooks, model_config, threads, batch_size), of the engine
    (port, drain_moment), and otherwise of the service.
    """
    started: list[RunningEngine] = []

    def start(**changes: Any) -> RunningEngine:
        worker = {"hooks": str(HERE.parent / "processors" / "echo.py"), "model_config": ""}
        worker |= {"threads": 2, "batch_size": 1}
        engine = {"port": 0, "drain_moment": 0.05}
        for settings in (worker, engine):
            settings |= {key: changes.pop(key) for key in settings.keys() & changes.keys()}
        options = {
            "worker": worker,
            "engine": engine,
            "service": {"token": "", "keepalive": PATIENCE_S, **changes},
        }
        started.append(RunningEngine(tmp_path_factory.mktemp("engine"), options, running))
        return started[-1]

    yield start
    for engine in started:
        engine.end()


def test_it_serves_and_sigterm_ends_it_with_nothing_left(
    start_engine: Any, eventually: Any
) -> None:
    engine = start_engine()
    assert engine.post(b"hello") == (200, b"hello")
    assert engine.post(b"") == (200, b'{"signature_name": "echo", "inputs": [], "outputs": []}')
    # The engine, the launcher, its spare and the worker.
    eventually(lambda: len(engine.processes) == 4)
    engine.signal(signal.SIGTERM)
    assert engine.wait() == 0
    assert engine.processes == [] and engine.left_over == []


def test_sigterm_finishes_what_is_in_flight(
    start_engine: Any, gate_hooks: str, gate: Any, eventually: Any
) -> None:
    engine = start_engine(hooks=gate_hooks, threads=1)
    in_flight = engine.post_later(gate.command.encode())
    eventually(gate.reached)
    waiting = engine.post_later(b"waits behind it")
    idle = engine.connect()
    idle.request("GET", "/healthz")
    assert idle.getresponse().read() == b"alive"
    engine.signal(signal.SIGTERM)
    # Only when the listener is closed is the shutdown under way for good.
    eventually(lambda: _refuses(engine))
    assert engine.process.poll() is None
    gate.open()
    assert in_flight() == (200, gate.command.encode())
    assert waiting() == (200, b"waits behind it")
    assert engine.wait() == 0
    assert engine.processes == [] and engine.left_over == []


def test_a_second_sigint_does_not_wait_for_what_is_in_flight(
    start_engine: Any, gate_hooks: str, gate: Any, eventually: Any
) -> None:
    engine = start_engine(hooks=gate_hooks)
    in_flight = engine.post_later(gate.command.encode())
    eventually(gate.reached)
    engine.signal(signal.SIGINT)
    eventually(lambda: "shutting down: 1 request(s) to finish" in engine.stderr)
    engine.signal(signal.SIGINT)
    assert engine.wait() == 0
    assert isinstance(in_flight(), (OSError, HTTPException))
    assert engine.processes == [] and engine.left_over == []


def test_kill_9_leaves_no_worker_and_no_file(
    start_engine: Any, gate_hooks: str, gate: Any, eventually: Any
) -> None:
    engine = start_engine(hooks=gate_hooks, instances=2)
    engine.post_later(gate.command.encode())
    eventually(gate.reached)
    eventually(lambda: len(engine.processes) == 5)
    engine.signal(signal.SIGKILL)
    eventually(lambda: engine.processes == [] and engine.left_over == [])


def test_kill_9_while_a_model_loads_leaves_no_worker_and_no_file(
    start_engine: Any, gate_hooks: str, gate: Any, eventually: Any
) -> None:
    engine = start_engine(hooks=gate_hooks, model_config=gate.command)
    eventually(gate.reached)
    engine.signal(signal.SIGKILL)
    eventually(lambda: engine.processes == [] and engine.left_over == [])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_while_a_model_loads_ends_the_start(
    start_engine: Any, gate_hooks: str, gate: Any, eventually: Any, number: signal.Signals
) -> None:
    engine = start_engine(hooks=gate_hooks, model_config=gate.command)
    eventually(gate.reached)
    engine.signal(number)
    assert engine.wait() == 0
    assert engine.processes == [] and engine.left_over == []
    assert engine.process.stdout.read() == ""


def test_a_port_in_use_ends_the_start_before_a_model_is_loaded(start_engine: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        engine = start_engine(port=port, model_config="die")
        assert engine.wait() == 1
    words = f"cannot listen on 127.0.0.1:{port}: Address already in use; choose another with --port"
    assert engine.stderr.splitlines() == [words]
    assert engine.processes == [] and engine.left_over == []


def test_a_model_that_does_not_load_ends_the_start_with_its_sentence(start_engine: Any) -> None:
    engine = start_engine(model_config="refuse", instances=2)
    assert engine.wait() == 1
    assert engine.stderr.splitlines()[-1] == "this model is refused"
    assert "Traceback" not in engine.stderr
    assert engine.processes == [] and engine.left_over == []


def test_a_worker_killed_under_load_costs_nothing(start_engine: Any, eventually: Any) -> None:
    engine = start_engine(threads=4)
    engine.post(b"ready")
    outcomes: list[tuple[int, bytes]] = []
    killed = threading.Event()

    def load() -> None:
        connection = engine.connect()
        after = 0
        while after < 50:
            after += killed.is_set()
            connection.request("POST", "/api/predict/echo", b"hello")
            response = connection.getresponse()
            outcomes.append((response.status, response.read()))
        connection.close()

    threads = [threading.Thread(target=load, daemon=True) for _ in range(8)]
    for thread in threads:
        thread.start()
    eventually(lambda: len(outcomes) > 200)
    os.kill(engine.workers[0], signal.SIGKILL)
    killed.set()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert set(outcomes) == {(200, b"hello")}
    assert len(engine.workers) == 2


def _refuses(engine: RunningEngine) -> bool:
    host, port = engine.address.split(":")
    try:
        socket.create_connection((host, int(port))).close()
    except ConnectionRefusedError:
        return True
    return False
