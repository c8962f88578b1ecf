"""What the services of an engine share."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from eas_processor.instances import machine as module
from eas_processor.instances.machine import Loads, Machine


async def test_as_many_are_loaded_at_a_time_as_there_are_slots() -> None:
    loads, running, most = Loads(2), 0, 0

    async def load(outcome: Exception | None) -> None:
        nonlocal running, most
        async with loads.slot():
            running += 1
            most = max(most, running)
            await asyncio.sleep(0.001)
            running -= 1
            if outcome is not None:
                raise outcome

    outcomes = [ValueError() if number % 2 else None for number in range(9)]
    assert await asyncio.gather(*map(load, outcomes), return_exceptions=True) == outcomes
    assert most == 2


async def test_one_that_hangs_gives_its_slot_to_the_next_and_only_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_SLOT_S", 0.02)
    loads, end = Loads(1), asyncio.Event()

    async def hang() -> None:
        async with loads.slot():
            await end.wait()

    hanging = asyncio.create_task(hang())
    await asyncio.sleep(0)
    async with asyncio.timeout(20), loads.slot():
        monkeypatch.setattr(module, "_SLOT_S", 60.0)
    end.set()
    await hanging
    async with loads.slot():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05), loads.slot():
                pass


async def test_one_that_waits_may_be_cancelled() -> None:
    loads = Loads(1)
    async with loads.slot():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01), loads.slot():
                pass
    async with asyncio.timeout(20), loads.slot():
        pass


async def test_launchers_end_with_the_machine(real_service: Any, alive: Any) -> None:
    before = asyncio.all_tasks()
    machine = Machine()
    launcher = await machine.launchers.get(real_service().worker)
    assert alive(launcher.pid)
    await machine.stop()
    assert not alive(launcher.pid)
    assert asyncio.all_tasks() == before
