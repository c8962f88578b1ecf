from __future__ import annotations

import asyncio
from typing import Any

import pytest

from eas_processor.frontends.http.turns import Turns


async def test_jobs_take_turns_and_leave_turns_for_others() -> None:
    turns, done = Turns(), []

    def job(name: str, steps: int) -> None:
        left = iter(range(steps, 0, -1))

        def step() -> bool:
            done.append(name)
            return next(left) > 1

        turns.add(step)

    async def other() -> None:
        for _ in range(6):
            done.append("other")
            await asyncio.sleep(0)

    job("a", 3)
    job("b", 2)
    await other()
    assert [each for each in done if each != "other"] == ["a", "b", "a", "b", "a"]
    assert "other, other" not in ", ".join(done[1:-1])


async def test_a_step_that_fails_does_not_hold_up_the_rest(
    caplog: pytest.LogCaptureFixture, eventually_async: Any
) -> None:
    turns, done = Turns(), []

    def fail() -> bool:
        raise RuntimeError("a step")

    turns.add(fail)
    turns.add(lambda: done.append(1) is not None)
    await eventually_async(lambda: done == [1])
