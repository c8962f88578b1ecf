"""Kills at random of all that serves, under load, through admission and supervisor alone."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections import Counter
from contextlib import suppress
from time import monotonic
from typing import Any

import pytest
from instances.test_supervisor import ARequest, Desk, supervised

from eas_processor.link import codes

pytestmark = pytest.mark.medium

SECONDS = 8.0
PAUSE_S = 0.3
DEADLINE_S = 30.0
CALLERS = 8


def processes(desk: Desk) -> dict[str, list[int]]:
    """Return the pids of all that can be killed, by what they are."""
    kept = desk.machine.launchers._kept.values()
    return {
        "launcher": [each.launcher.pid for each in kept if each.launcher is not None],
        "spare": [each._spare.pid for each in kept if each._spare is not None],
        "worker": [pid for pid in desk.pids if pid],
    }


async def kill_at_random(desk: Desk, choice: random.Random) -> Counter[str]:
    """Return how many were killed, by what they were."""
    killed: Counter[str] = Counter()
    end = monotonic() + SECONDS
    while monotonic() < end:
        await asyncio.sleep(PAUSE_S)
        kind = choice.choice(["launcher", "spare", "worker"])
        pids = processes(desk)[kind]
        if pids:
            with suppress(ProcessLookupError):
                os.kill(choice.choice(pids), signal.SIGKILL)
                killed[kind] += 1
    return killed


@pytest.mark.slow
async def test_no_call_fails_while_processes_are_killed(real_service: Any) -> None:
    seed = random.SystemRandom().randrange(1_000_000)
    fates: Counter[tuple[int, bytes]] = Counter()
    async with supervised(real_service(instances=2, keepalive=DEADLINE_S)) as desk:

        async def call() -> None:
            number = 0
            while not killing.done():
                number += 1
                body = b"%d" % number
                request = ARequest(body)
                request.deadline = monotonic() + DEADLINE_S
                desk.admission.submit(request, monotonic())
                code, payload = await asyncio.wait_for(request.answered, DEADLINE_S)
                fates[code, b"" if payload == body else payload] += 1

        killing = asyncio.create_task(kill_at_random(desk, random.Random(seed)))
        await asyncio.gather(*(call() for _ in range(CALLERS)))
        killed = await killing
        print(f"seed {seed}: {dict(killed)} killed, {dict(fates)}")
        assert set(fates) == {(codes.OK, b"")} and sum(killed.values()) > 5
        metrics = desk.admission.metrics
        assert metrics.restarts <= metrics.deaths <= killed["worker"]
