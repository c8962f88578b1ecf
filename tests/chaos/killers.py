"""Load on several services at a time, and what does harm to the engine's processes meanwhile."""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from e2e.front_door import Client
from fixtures.many import Many

ANSWER_S = 60


@dataclass(frozen=True)
class Callee:
    """A service to be called: `make` returns a body, and `right` looks at the answer to it."""

    name: str
    token: str
    make: Callable[[int], bytes]
    right: Callable[[bytes, bytes], bool]

    def request(self, body: bytes) -> bytes:
        """Return the bytes of a call."""
        lines = [
            f"POST /api/predict/{self.name} HTTP/1.1",
            "Host: h",
            f"Authorization: {self.token}",
            f"Content-Length: {len(body)}",
        ]
        return "\r\n".join([*lines, "", ""]).encode() + body


def stub_callee(engine: Many, name: str) -> Callee:
    """Return a service of the stub, which repeats what it is asked."""
    return Callee(
        name,
        engine.token(name),
        lambda number: b"ask %d" % number,
        lambda body, answer: answer.partition(b" ")[2] == body,
    )


def steady_callee(engine: Many, name: str, body: bytes) -> Callee:
    """Return a service that gives one answer to one request."""
    with Client(engine.address) as client:
        client.socket.settimeout(ANSWER_S)
        callee = Callee(name, engine.token(name), lambda _: body, lambda *_: True)
        first = client.ask(callee.request(body))
    assert first.status == 200, first.body
    return Callee(name, callee.token, lambda _: body, lambda _, answer: answer == first.body)


class Calls:
    """
    Connections that call one service each, one call after the other, until `stop`.

    `fates` counts what came of each service's calls: `200` is a right answer in time.
    """

    def __init__(self, engine: Many, callees: list[Callee], connections: int = 32) -> None:
        self.fates: dict[str, Counter[str]] = {each.name: Counter() for each in callees}
        self._address = engine.address
        self._stopping = False
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        chosen = itertools.islice(itertools.cycle(callees), connections)
        self._threads = [
            threading.Thread(target=self._run, args=(each,), daemon=True) for each in chosen
        ]
        for thread in self._threads:
            thread.start()

    @property
    def failed(self) -> dict[str, dict[str, int]]:
        """What was not answered rightly, by service."""
        found = {
            name: {fate: count for fate, count in fates.items() if fate != "200"}
            for name, fates in self.fates.items()
        }
        return {name: fates for name, fates in found.items() if fates}

    def stop(self, what: str) -> None:
        """Let every connection have its last answer, and print what came of the calls."""
        self._stopping = True
        for thread in self._threads:
            thread.join(ANSWER_S)
            assert not thread.is_alive(), "a call was never answered"
        for name, fates in self.fates.items():
            print(f"{what}: {name}: {sum(fates.values())} sent, {dict(fates)}")
            assert fates["200"] > 0, name

    def _run(self, callee: Callee) -> None:
        while not self._stopping:
            try:
                client = Client(self._address)
            except OSError as error:
                self._count(callee, f"lost: no connection: {error!r}")
                time.sleep(0.1)
                continue
            client.socket.settimeout(ANSWER_S)
            with client:
                while not self._stopping and self._ask(client, callee):
                    pass

    def _ask(self, client: Client, callee: Callee) -> bool:
        body = callee.make(next(self._numbers))
        try:
            response = client.ask(callee.request(body))
        except (OSError, AssertionError) as error:
            self._count(callee, f"lost: {error!r:.100}")
            return False
        if response.status != 200:
            self._count(callee, f"{response.status} {response.body[:200].decode()}")
        elif not callee.right(body, response.body):
            self._count(callee, "wrong answer")
        else:
            self._count(callee, "200")
        return response.headers.get("connection") != "close"

    def _count(self, callee: Callee, fate: str) -> None:
        with self._lock:
            self.fates[callee.name][fate] += 1


def kill_at_random(engine: Many, seconds: float, pause: float, seed: int) -> float:
    """
    Kill one of the engine's children every `pause` seconds; return when the last one was.

    The children are the workers, the launchers and their spares: all that has TensorFlow in it.
    """
    choice = random.Random(seed)
    kills: Counter[str] = Counter()
    last, end = time.monotonic(), time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(pause)
        if not (found := engine.children()):
            kills["nobody is there"] += 1
            continue
        workers = [pid for name in engine.services() for pid in engine.pids(name)]
        victim = choice.choice(found)
        kills["worker" if victim in workers else "launcher or spare"] += 1
        with contextlib.suppress(ProcessLookupError):
            os.kill(victim, signal.SIGKILL)
        last = time.monotonic()
    print(f"seed {seed}: {dict(kills)}")
    assert engine.process.poll() is None, engine.log
    return last


def answered_within(engine: Many, callee: Callee) -> float:
    """Return the seconds that one call takes."""
    begin = time.monotonic()
    with Client(engine.address) as client:
        client.socket.settimeout(ANSWER_S)
        body = callee.make(0)
        response = client.ask(callee.request(body))
    assert response.status == 200 and callee.right(body, response.body), response
    return time.monotonic() - begin


def import_seconds() -> float:
    """Return what an import of TensorFlow takes now."""
    begin = time.monotonic()
    subprocess.run([sys.executable, "-c", "import tensorflow"], check=True, capture_output=True)
    return time.monotonic() - begin


@contextlib.contextmanager
def busy_machine(enough: float) -> Iterator[None]:
    """Keep every core so busy that an import of TensorFlow takes `enough` seconds."""
    burners: list[subprocess.Popen[bytes]] = []
    cores = len(os.sched_getaffinity(0))
    try:
        while (taken := import_seconds()) < enough and len(burners) < 8 * cores:
            burners += [
                subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(cores)
            ]
        print(f"{len(burners)} busy processes on {cores} cores: an import takes {taken:.1f} s")
        yield
    finally:
        for each in burners:
            each.kill()
            each.wait()


@contextlib.contextmanager
def memory_group(limit: int) -> Iterator[Path]:
    """
    Make a control group of so many bytes; yield the file that a process is written to.

    Skips the test where none can be made.
    """
    group, limit_file = _new_group()
    try:
        group.mkdir()
        (group / limit_file).write_text(str(limit))
    except OSError as error:
        pytest.skip(f"no memory control group can be made: {error}")
    try:
        yield group / "cgroup.procs"
    finally:
        deadline = time.monotonic() + 10
        while (group / "cgroup.procs").read_text() and time.monotonic() < deadline:
            time.sleep(0.05)
        group.rmdir()


def _new_group() -> tuple[Path, str]:
    name = f"eas-test-{os.getpid()}"
    mounts = Path("/proc/mounts").read_text()
    if found := re.search(r"^\S+ (\S+) cgroup \S*\bmemory\b", mounts, re.MULTILINE):
        return Path(found[1]) / name, "memory.limit_in_bytes"
    if found := re.search(r"^\S+ (\S+) cgroup2 ", mounts, re.MULTILINE):
        return Path(found[1]) / name, "memory.max"
    pytest.skip("there are no control groups here")


def resident(pid: int) -> float:
    """Return the MiB that a process has in memory."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1]) / 1024


def descriptors(pid: int) -> int:
    """Return how many files a process has open."""
    return len(os.listdir(f"/proc/{pid}/fd"))
