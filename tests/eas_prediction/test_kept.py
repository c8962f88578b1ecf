from __future__ import annotations

import time

import pytest

from eas_prediction import _kept
from eas_prediction._kept import Connection, Idle


class Fake(Connection):
    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self.over = self.closed = False

    def is_over(self) -> bool:
        return self.over

    def close(self) -> None:
        self.closed = True


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(time, "monotonic", clock)
    return clock


@pytest.fixture
def idle(clock):
    return Idle(30.0, 600.0)


def put(idle, *names):
    made = [Fake(each) for each in names]
    for each in made:
        idle.put(each)
    return made


def test_the_one_used_last_is_used_next(idle):
    put(idle, "a", "b")
    assert [idle.take(False).name for _ in "ab"] == ["b", "a"]
    assert idle.take(False) is None


def test_one_that_is_over_is_closed(idle):
    one, two = put(idle, "a", "b")
    two.over = True
    assert idle.take(False) is one
    assert two.closed


def test_idle_for_too_long(idle, clock):
    (old,) = put(idle, "old")
    clock.now += 29.9
    (young,) = put(idle, "young")
    clock.now += 0.2
    assert idle.take(False) is young
    assert idle.take(False) is None
    assert old.closed


def test_too_old_however_busy(idle, clock):
    (one,) = put(idle, "a")
    for _ in range(30):
        clock.now += 19.9
        assert idle.take(False) is one
        idle.put(one)
    clock.now += 5
    assert idle.take(False) is None
    assert one.closed


def test_without_limits(clock):
    idle = Idle(None, None)
    (one,) = put(idle, "a")
    clock.now += 1e6
    assert idle.take(False) is one


def test_those_not_needed_any_more_are_closed_by_the_others(idle, clock):
    (unused, used) = put(idle, "unused", "used")
    for _ in range(7):
        clock.now += 10
        assert idle.take(False) is used
        idle.put(used)
    assert unused.closed


def test_a_request_that_may_be_sent_once_takes_none_that_was_idle_long(idle, clock):
    (one,) = put(idle, "a")
    clock.now += _kept.ONCE_IDLE_S / 2
    assert idle.take(True) is one
    idle.put(one)
    clock.now += _kept.ONCE_IDLE_S
    assert idle.take(True) is None


def test_those_that_were_idle_for_longer_are_dropped(idle, clock):
    old = put(idle, "a", "b")
    moment = clock.now
    clock.now += 1
    (young,) = put(idle, "young")
    idle.drop(moment)
    assert [each.closed for each in (*old, young)] == [True, True, False]


def test_after_one_that_was_only_slow_none_is_doubted_for_a_while(idle, clock):
    assert idle.doubtful
    idle.trust()
    clock.now += _kept.SLOW_S - 1
    assert not idle.doubtful
    clock.now += 1
    assert idle.doubtful
