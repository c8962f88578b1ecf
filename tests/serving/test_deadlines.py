"""Calls are told that they are late, in time, in any mixture of limits."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from time import monotonic
from types import SimpleNamespace
from typing import Any

import pytest
from fixtures.engine import eventually_async
from hypothesis import given, settings
from hypothesis import strategies as st

from eas_processor.contracts.call import Call
from eas_processor.serving import deadlines as module
from eas_processor.serving.deadlines import Deadlines


class Watched:
    def __init__(self) -> None:
        self.late: list[tuple[Call, float, float]] = []
        self.deadlines = Deadlines(self._note)

    def _note(self, call: Call, limit: float) -> None:
        self.late.append((call, limit, monotonic()))
        self.deadlines.end(call)

    def begin(self, limit: float, *, own: bool = False) -> Call:
        call = Call()
        call.deadline = monotonic() + limit
        if own:
            self.deadlines.watch_own(call, limit)
        else:
            self.deadlines.watch(call, limit)
        return call


class Clock:
    """Time that passes from timer to timer."""

    def __init__(self) -> None:
        self.now = 100.0
        self._timers: list[tuple[float, Callable[[], None]]] = []

    def call_later(self, delay: float, callback: Callable[[], None]) -> Any:
        timer = self.now + delay, callback
        self._timers.append(timer)
        return SimpleNamespace(cancel=lambda: self._timers.remove(timer))

    def run(self) -> None:
        while self._timers:
            timer = min(self._timers, key=lambda each: each[0])
            self._timers.remove(timer)
            self.now = timer[0]
            timer[1]()


def test_calls_of_several_limits_are_late_in_the_order_of_their_deadlines(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Clock()
    for each in (module, sys.modules[__name__]):
        monkeypatch.setattr(each, "monotonic", lambda: clock.now)
    monkeypatch.setattr(asyncio, "get_running_loop", lambda: clock)
    watched = Watched()
    slow, quick = watched.begin(0.06), watched.begin(0.02)
    own, last = watched.begin(0.04, own=True), watched.begin(0.08)
    assert len(watched.deadlines) == 4
    clock.run()
    assert [each[0] for each in watched.late] == [quick, own, slow, last]
    assert [each[1] for each in watched.late] == [0.02, 0.0, 0.06, 0.08]
    assert all(at >= call.deadline for call, _, at in watched.late)
    assert len(watched.deadlines) == 0


async def test_what_has_ended_is_not_late() -> None:
    watched = Watched()
    calls = [watched.begin(0.02), watched.begin(0.02, own=True), watched.begin(0.02)]
    for call in calls[:2]:
        watched.deadlines.end(call)
        watched.deadlines.end(call)
    assert len(watched.deadlines) == 1
    await eventually_async(lambda: watched.late)
    assert [each[0] for each in watched.late] == [calls[2]]


async def test_a_late_call_may_end_those_of_lines_that_were_looked_at() -> None:
    watched = Watched()
    other, late = watched.begin(10.0), watched.begin(0.02, own=True)
    after = watched.begin(0.06, own=True)
    note = watched.deadlines._on_late

    def note_and_end_other(call: Call, limit: float) -> None:
        watched.deadlines.end(other)
        note(call, limit)

    watched.deadlines._on_late = note_and_end_other
    await eventually_async(lambda: len(watched.late) == 2)
    assert [each[0] for each in watched.late] == [late, after]


async def test_limits_that_vary_share_few_lines() -> None:
    watched = Watched()
    calls = [watched.begin(10.0 + number / 1000, own=True) for number in range(500)]
    assert len(watched.deadlines) == 500
    assert len(watched.deadlines._own) <= 3
    for call in calls:
        watched.deadlines.end(call)
    assert len(watched.deadlines) == 0


async def test_a_call_without_a_limit_is_counted_and_never_late() -> None:
    watched = Watched()
    call = Call()
    watched.deadlines.watch_own(call, 0.0)
    assert len(watched.deadlines) == 1
    limited = watched.begin(0.01)
    await eventually_async(lambda: watched.late)
    assert [each[0] for each in watched.late] == [limited]
    assert len(watched.deadlines) == 1
    watched.deadlines.end(call)
    assert len(watched.deadlines) == 0


async def test_the_timer_starts_again_after_a_pause() -> None:
    watched = Watched()
    for number in range(2):
        watched.deadlines.end(watched.begin(0.01))
        await asyncio.sleep(0.03)  # the timer runs out with nothing to tell
        watched.begin(0.01)
        await eventually_async(lambda number=number: len(watched.late) == number + 1)


@pytest.mark.parametrize("own", [False, True])
async def test_an_earlier_deadline_is_not_held_up_by_a_later_one(own: bool) -> None:
    watched = Watched()
    watched.begin(60.0)
    call = watched.begin(0.01, own=own)
    await eventually_async(lambda: watched.late)
    assert [each[0] for each in watched.late] == [call]


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([0.01, 0.02, 0.03]), st.booleans(), st.booleans())))
def test_each_call_is_late_once_unless_it_has_ended(steps: list[tuple[float, bool, bool]]) -> None:
    async def run() -> None:
        watched, due = Watched(), []
        for limit, own, ends in steps:
            call = watched.begin(limit, own=own)
            if ends:
                watched.deadlines.end(call)
            else:
                due.append(call)
        # Behind all of them in time, and so told after them.
        last = watched.begin(0.04)
        await eventually_async(lambda: last in [each[0] for each in watched.late])
        due.append(last)
        assert sorted(each[0].number for each in watched.late) == [each.number for each in due]

    asyncio.run(run())
