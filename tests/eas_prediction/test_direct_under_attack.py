"""One client for threads, one for tasks, while instances come and go and discovery is cut off."""

from __future__ import annotations

import asyncio
import itertools
import os
import threading
import time

import pytest
from fleet import Fleet

from eas_prediction import (
    ENDPOINT_TYPE_DIRECT,
    AsyncPredictClient,
    PredictClient,
    StringRequest,
    _discovery,
)

pytestmark = pytest.mark.medium

SECONDS = float(os.environ.get("DIRECT_SECONDS", "2"))
THREADS = 8
TASKS = int(os.environ.get("DIRECT_TASKS", "1000"))


@pytest.fixture
def fleet(monkeypatch):
    monkeypatch.setattr(_discovery, "REFRESH_S", 0.1)
    made = Fleet()
    yield made
    made.close()


def attack(fleet, stop):
    """Kill, revive, add, remove, cut discovery off, and let it list nothing; then again."""
    victims = [fleet.add(100), fleet.add(100)]
    for turn in itertools.count():
        victim = victims[turn % 2]
        fleet.kill(victim)
        if stop.wait(0.2):
            break
        fleet.kill(fleet.discovery)
        if stop.wait(0.2):
            break
        fleet.revive(victim)
        fleet.revive(fleet.discovery)
        fleet.broken = (200, b'{"endpoints":{"items":[]}}') if turn % 2 else (500, b"broken")
        if stop.wait(0.2):
            break
        fleet.broken = None
        guest = fleet.add(100)
        if stop.wait(0.3):
            break
        fleet.weights.pop(guest)
        if stop.wait(0.3):
            break
        fleet.kill(guest)


def run_threads(fleet, goes_on, failures):
    calls = itertools.count()

    def call(client, number):
        while goes_on():
            text = f"{number}-{next(calls)}"
            try:
                assert str(client.predict(StringRequest(text))) == text
            except BaseException as error:
                failures.append(error)

    with PredictClient(
        fleet.address, "svc", token="t", endpoint_type=ENDPOINT_TYPE_DIRECT, timeout=20000
    ) as client:
        threads = [threading.Thread(target=call, args=(client, each)) for each in range(THREADS)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
    return next(calls)


def run_tasks(fleet, goes_on, failures):
    calls = itertools.count()

    async def call(client, number):
        while goes_on():
            text = f"{number}-{next(calls)}"
            try:
                assert str(await client.predict(StringRequest(text))) == text
            except BaseException as error:
                failures.append(error)

    async def run():
        async with AsyncPredictClient(
            fleet.address, "svc", token="t", endpoint_type=ENDPOINT_TYPE_DIRECT, timeout=20000
        ) as client:
            await asyncio.gather(*(call(client, each) for each in range(TASKS)))

    asyncio.run(run())
    return next(calls)


@pytest.mark.parametrize("run", [run_threads, run_tasks], ids=["threads", "tasks"])
def test_no_call_fails_and_traffic_follows_the_weights(fleet, run):
    light, heavy = fleet.add(100), fleet.add(300)
    failures, stop = [], threading.Event()
    attacker = threading.Thread(target=attack, args=(fleet, stop))
    attacker.start()
    try:
        end = time.monotonic() + SECONDS
        # Of fewer calls the shares are not exact.
        calls = run(fleet, lambda: time.monotonic() < end or light.count < 200, failures)
    finally:
        stop.set()
        attacker.join()
    print(f"{calls} calls, {len(failures)} failed; light {light.count}, heavy {heavy.count}")
    assert failures == []
    assert calls > 100
    assert heavy.count / light.count == pytest.approx(3, rel=0.05)
    assert not any(each.mixed for each in fleet.weights)
