"""What a client sees at the engine's limits, and that a shutdown under load loses nothing."""

from __future__ import annotations

import math
import random
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from e2e.front_door import PATIENCE_S, TESTS, Client, Engine, post
from fixtures.engine import Gate, eventually
from fixtures.repeated import times

GATED = str(TESTS / "processors" / "gate.py")
MIB = 1024 * 1024


@pytest.fixture
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Engine]]:
    """Starts an engine; see Engine for the settings."""
    started: list[Engine] = []

    def start_engine(**settings: Any) -> Engine:
        started.append(Engine(tmp_path_factory.mktemp("engine"), **settings))
        return started[-1]

    yield start_engine
    for engine in started:
        engine.kill()


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    return Gate(tmp_path / "gate")


@contextmanager
def busy(engine: Engine, gate: Gate, *waiting: bytes) -> Iterator[Client]:
    """A client with a request in the one worker, until the gate is opened, and others waiting."""
    with Client(engine.address) as client:
        client.send(b"".join(map(post, [gate.command.encode(), *waiting])))
        eventually(gate.reached)
        yield client


def announced(size: int, *lines: str) -> bytes:
    """Return the head of a request whose body is sent when the engine says so."""
    head = post(b"", f"Content-Length: {size}", "Expect: 100-continue", *lines)
    return head.replace(b"Content-Length: 0\r\n", b"")


@pytest.mark.parametrize("waiting", [[], [b"waits"]])
def test_450_while_the_worker_is_busy_and_the_queue_is_full(
    start: Callable[..., Engine], gate: Gate, waiting: list[bytes]
) -> None:
    engine = start(hooks=GATED, max_queue_size=len(waiting))
    with busy(engine, gate, *waiting) as running, Client(engine.address) as client:
        for body in (b"refused", bytes(MIB), b"refused"):
            refusal = client.ask(post(body))
            assert refusal.status == 450
            assert refusal.headers["retry-after"] == "1"
            words = f"is full (limit {len(waiting)}, set by metadata.rpc.max_queue_size)"
            assert words in refusal.body.decode()
        gate.open()
        assert running.response().body == gate.command.encode()
        assert [running.response().body for _ in waiting] == waiting
        assert client.ask(post(b"and now")).body == b"and now"


def test_408_at_the_deadline_and_the_late_result_reaches_nobody(
    start: Callable[..., Engine], gate: Gate
) -> None:
    engine = start(hooks=GATED, keepalive=0.3)
    with Client(engine.address) as other, busy(engine, gate, b"behind it") as client:
        (late,) = client.rest()
        assert late.status == 408
        assert b"not answered within 300 ms (metadata.rpc.keepalive)" in late.body
        gate.open()
        assert other.ask(post(b"next")).body == b"next"
        assert other.ask(post(b"last", "Connection: close")).body == b"last"
        assert other.rest() == []


def test_429_over_the_rate(start: Callable[..., Engine]) -> None:
    engine = start(rate_limit=2)
    with Client(engine.address) as client:
        client.send(post(b"hello") * 3)
        assert [client.response().body for _ in range(2)] == [b"hello"] * 2
        refusal = client.response()
        assert refusal.status == 429
        assert refusal.headers["retry-after"] == "1"
        assert b"more than 2 requests per second (limit set by metadata.rpc." in refusal.body
        eventually(lambda: client.ask(post(b"hello")).status == 200)


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (announced(100 * MIB, "Authorization: t"), 413),
        (announced(5, "Authorization: wrong"), 401),
    ],
)
def test_a_refusal_comes_instead_of_100_continue(
    start: Callable[..., Engine], head: bytes, status: int
) -> None:
    engine = start(token="t")
    with Client(engine.address) as client:
        client.send(head)
        (refusal,) = client.rest()
    assert refusal.status == status
    assert refusal.headers["connection"] == "close"


def test_450_comes_instead_of_100_continue(start: Callable[..., Engine], gate: Gate) -> None:
    engine = start(hooks=GATED, max_queue_size=0)
    with busy(engine, gate), Client(engine.address) as client:
        client.send(announced(MIB))
        (refusal,) = client.rest()
        assert refusal.status == 450
        gate.open()


def test_100_continue_comes_before_the_body(start: Callable[..., Engine]) -> None:
    with Client(start().address) as client:
        assert client.ask(announced(5)).status == 100
        assert client.ask(b"hello").body == b"hello"


class Load:
    """Clients that ask again and again, on connections that are kept, until none can be opened."""

    def __init__(self, address: tuple[str, int], clients: int) -> None:
        self.answered = 0
        self.lost: list[float] = []
        """When the requests that got no answer, or not theirs, had been sent whole."""
        self._address = address
        self._threads = [
            threading.Thread(target=self._run, args=[number], daemon=True)
            for number in range(clients)
        ]
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        for thread in self._threads:
            thread.join(PATIENCE_S)
            assert not thread.is_alive()

    def _run(self, number: int) -> None:
        # Some requests take their time, so that each kind of wait is cut by some signal.
        bodies = [f"hello {number}".encode()] * 9 + [f"sleep 0.00{number}".encode()]
        while True:
            try:
                client = Client(self._address)
            except ConnectionError:
                return
            with client:
                self._ask(client, bodies)

    def _ask(self, client: Client, bodies: list[bytes]) -> None:
        while True:
            for body in bodies:
                sent = math.inf
                try:
                    client.send(post(body))
                    sent = monotonic()
                    response = client.response()
                    assert (response.status, response.body) == (200, body)
                except (OSError, AssertionError):
                    self.lost.append(sent)
                    return
                self.answered += 1
                if response.headers.get("connection") == "close":
                    return


@pytest.mark.parametrize("seed", range(times(5)))
def test_sigterm_under_load_loses_nothing(start: Callable[..., Engine], seed: int) -> None:
    engine = start(threads=2, engine={"drain_moment": 0.1})
    load = Load(engine.address, clients=6)
    moment = random.Random(seed).randrange(300)
    eventually(lambda: load.answered > moment)
    engine.process.send_signal(signal.SIGTERM)
    listening = signalled = monotonic()

    def refuses() -> bool:
        nonlocal listening
        now = monotonic()
        try:
            Client(engine.address).socket.close()
        except ConnectionError:
            return True
        listening = now
        return False

    eventually(refuses)
    load.join()
    assert engine.process.wait(PATIENCE_S) == 0
    # What is sent later, on a connection that was idle, may meet the end of that connection.
    assert [listening - sent for sent in load.lost if sent <= listening] == []
    assert listening > signalled
    assert "finish" in engine.log and "Traceback" not in engine.log
