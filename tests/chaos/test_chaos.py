"""
Workers are killed, updated, rolled back and scaled under load, and no request is lost.

Each attack lasts CHAOS_SECONDS (5 unless set). `make test-chaos` runs them.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import math
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from chaos.load import Load
from e2e.front_door import host_and_port
from fixtures.engine import running

pytestmark = pytest.mark.chaos
SECONDS = float(os.environ.get("CHAOS_SECONDS", "5"))
UPDATES = int(os.environ.get("CHAOS_UPDATES", "5"))


class Service:
    """An engine with its admin routes, in a process of its own."""

    def __init__(self, directory: Path, **options: Any) -> None:
        self._file = directory / "options.json"
        self._options = {"version": "one", "keepalive": 30.0, "instances": 2, **options}
        self._write()
        self._log = directory / "stderr"
        with self._log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(Path(__file__).parent / "serve.py"), str(self._file)],
                env={**os.environ, "TMPDIR": str(directory), "EAS_HOME": str(directory)},
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self.process.stdout is not None
        self._admin = host_and_port(self.process.stdout.readline())
        self.address = host_and_port(self.process.stdout.readline())

    @property
    def log(self) -> str:
        return self._log.read_text()

    def admin(self, method: str, route: str) -> tuple[int, dict[str, Any]]:
        connection = http.client.HTTPConnection(*self._admin, timeout=120)
        connection.request(method, f"/admin/{route}", headers={"Authorization": "admin"})
        response = connection.getresponse()
        return response.status, json.loads(response.read())

    def reload(self, **options: Any) -> tuple[int, dict[str, Any]]:
        self._options |= options
        self._write()
        return self.admin("POST", "reload")

    def instances(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.admin("GET", "instances")[1]["instances"]
        return found

    def kill_a_ready_worker(self) -> int:
        ready = [each["pid"] for each in self.instances() if each["state"] == "ready"]
        if ready:
            os.kill(random.choice(ready), signal.SIGKILL)
        return len(ready[:1])

    def _write(self) -> None:
        self._file.write_text(json.dumps(self._options))


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Service]]:
    started: list[Service] = []

    def make(**options: Any) -> Service:
        started.append(Service(tmp_path, **options))
        return started[-1]

    yield make
    for service in started:
        service.process.kill()
        service.process.communicate()


def report(load: Load, what: str) -> None:
    print(f"{what}: {load.sent} sent, fates {dict(load.fates)}, versions {dict(load.versions)}")


@pytest.mark.parametrize("instances", [2, 1])
@pytest.mark.parametrize("poison", [0, 50])
def test_kills_lose_nothing(start: Callable[..., Service], instances: int, poison: int) -> None:
    service = start(instances=instances)
    load = Load(service.address)
    kills, end = 0, time.monotonic() + SECONDS
    share = math.ceil(poison / max(1, SECONDS // 2))
    while time.monotonic() < end:
        now = min(share, poison)
        load.poison += now
        poison -= now
        time.sleep(min(2.0, SECONDS / 3))
        kills += service.kill_a_ready_worker()
    load.stop()
    report(load, f"{kills} kills, {instances} instance(s)")
    assert kills > 0 and load.failed == {}
    assert load.fates["poison"] == service.log.count("poison request")
    assert "Traceback" not in service.log


@contextlib.contextmanager
def killing(service: Service, pause: float) -> Iterator[list[int]]:
    """Kill ready workers in a thread of its own; yield a list that grows with each."""
    over, kills = threading.Event(), []

    def kill() -> None:
        while not over.wait(pause):
            kills.extend([1] * service.kill_a_ready_worker())

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield kills
    finally:
        over.set()
        thread.join()


@pytest.mark.parametrize("kills", [False, True])
def test_updates_lose_nothing_and_the_old_version_is_gone(
    start: Callable[..., Service], kills: bool
) -> None:
    service = start()
    load = Load(service.address)
    with killing(service, 0.7) if kills else contextlib.nullcontext([]) as killed:
        for number in range(UPDATES):
            version = ("two", "one")[number % 2]
            status, answer = service.reload(version=version)
            assert status == 200, answer
            load.new_era()
            time.sleep(0.3)
            assert set(load.versions) == {version}
        assert service.admin("POST", "rollback")[0] == 200
    load.stop()
    report(load, f"{UPDATES} updates, a rollback, {len(killed)} kills")
    assert load.failed == {}
    assert bool(killed) == kills
    assert "Traceback" not in service.log


@pytest.mark.parametrize(("version", "reason"), [("refuse", "not load"), ("cold", "warm_up")])
def test_a_bad_version_leaves_the_old_one(
    start: Callable[..., Service], version: str, reason: str
) -> None:
    service = start()
    load = Load(service.address, connections=8)
    status, answer = service.reload(version=version)
    assert status == 409 and reason in answer["error"]
    assert reason in service.admin("GET", "instances")[1]["last_update"]["reason"]
    time.sleep(0.3)
    load.stop()
    report(load, f"update to a version that is {version}")
    assert load.failed == {} and set(load.versions) == {"one"}


def test_scaling_and_limits_start_nothing_again(start: Callable[..., Service]) -> None:
    service = start()
    load = Load(service.address, connections=8)
    before = {each["pid"] for each in service.instances()}
    service.reload(instances=4, keepalive=20.0, max_queue_size=100)
    assert len(service.instances()) == 4 and before < {each["pid"] for each in service.instances()}
    service.reload(instances=1)
    assert len(service.instances()) == 1
    load.stop()
    report(load, "2 to 4 instances, to 1")
    assert load.failed == {}


@pytest.mark.parametrize("seed", range(int(os.environ.get("CHAOS_ENDS", "3"))))
def test_sigterm_while_workers_die_loses_nothing(
    start: Callable[..., Service], tmp_path: Path, seed: int
) -> None:
    service = start()
    load = Load(service.address)
    time.sleep(random.Random(seed).uniform(0.2, 1.5))
    service.kill_a_ready_worker()
    load.ended = True
    service.process.send_signal(signal.SIGTERM)
    load.stopping = False
    assert service.process.wait(30) == 0
    load.stop()
    report(load, "SIGTERM")
    assert load.failed == {}
    # Processes know the directory by their environment.
    assert running(str(tmp_path)) == []
    assert not list(tmp_path.glob("eas-*")), "a directory of sockets is left"
