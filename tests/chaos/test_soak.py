"""
What clients do, well and badly, for CHAOS_SECONDS (5 unless set), and the memory meanwhile.

The curve is printed. Caches and heaps fill at first: from a third of the time on nothing may grow.
"""

from __future__ import annotations

import gzip
import os
import random
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from e2e.front_door import Client, Engine, post

pytestmark = pytest.mark.chaos
SECONDS = float(os.environ.get("CHAOS_SECONDS", "5"))
POINTS = 12
GROWTH_MIB = 16
CONNECTIONS = 16

_JSON = "Content-Type: application/json"
# How often each is sent, what is sent, and the status of its answer; 0 when the client leaves.
_REQUESTS = [
    (60, lambda: post(b"hello %d" % random.getrandbits(32)), 200),
    (5, lambda: post(random.randbytes(300_000)), 200),
    (3, lambda: post(b"grow 200000"), 200),
    (5, lambda: post(gzip.compress(b"hello" * 500), "Content-Encoding: gzip"), 200),
    (5, lambda: post(b'{"a": 1}', _JSON), 200),
    (5, lambda: post(b"refuse"), 400),
    (5, lambda: post(b"x", name=f"none{random.getrandbits(32)}"), 404),
    (5, lambda: b"GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n", 200),
    (2, lambda: b"nonsense\r\n\r\n", 400),
    (3, lambda: post(b"sleep 0.01"), 0),
    (2, lambda: post(random.randbytes(300_000))[:100_000], 0),
]


class Clients:
    """Threads that each send one request after the other; `wrong` are the answers not due."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.statuses: Counter[int] = Counter()
        self.wrong: Counter[str] = Counter()
        self._address = address
        self._end = time.monotonic() + SECONDS
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._run) for _ in range(CONNECTIONS)]
        for each in self._threads:
            each.start()

    def wait(self) -> None:
        for each in self._threads:
            each.join(60)
            assert not each.is_alive(), "a request was never answered"

    def _run(self) -> None:
        shares = [share for share, _, _ in _REQUESTS]
        while time.monotonic() < self._end:
            with Client(self._address) as client:
                stays = True
                while stays and time.monotonic() < self._end:
                    _, make, status = random.choices(_REQUESTS, shares)[0]
                    try:
                        stays = self._ask(client, make(), status)
                    except (OSError, AssertionError) as error:
                        stays = False
                        with self._lock:
                            self.wrong[f"no answer instead of {status}: {error!r:.80}"] += 1

    def _ask(self, client: Client, request: bytes, due: int) -> bool:
        """Send a request; return whether the connection stays."""
        if not due:
            client.send(request)
            return False
        response = client.ask(request)
        with self._lock:
            self.statuses[response.status] += 1
            if response.status != due:
                self.wrong[f"{response.status} instead of {due}"] += 1
        return response.headers.get("connection") != "close"


def resident(pid: int) -> float:
    """Return the MiB that a process has in memory."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1]) / 1024


def workers(engine: Engine) -> list[int]:
    """Return the pids of the workers that have served, as the log tells them."""
    return [int(pid) for pid in re.findall(r"is ready \(pid (\d+)\)", engine.log)]


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    running = Engine(tmp_path, threads=4, max_queue_size=1000)
    yield running
    running.kill()


def test_memory_stays(engine: Engine) -> None:
    address = engine.address
    (worker,) = workers(engine)
    clients = Clients(address)
    curve = []
    for _ in range(POINTS):
        time.sleep(SECONDS / POINTS)
        curve.append((resident(engine.process.pid), resident(worker)))
    clients.wait()
    print(f"{sum(clients.statuses.values())} answers {dict(clients.statuses)} in {SECONDS:g} s")
    for name, points in zip(("engine", "worker"), zip(*curve, strict=True), strict=True):
        print(f"{name}, MiB: {' '.join(f'{each:.0f}' for each in points)}")
        settled, last = points[POINTS // 3 :], max(points[-3:])
        assert last - min(settled) < GROWTH_MIB, name
    assert not clients.wrong
    assert workers(engine) == [worker], "the worker died"
    assert "Traceback" not in engine.log
