from __future__ import annotations

import pytest

from eas_processor.errors import KilledError, StartError
from eas_processor.instances.starts import Starts

KILLED = KilledError("killed by SIGKILL")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_kills_are_answered_at_once_three_times_in_a_minute(clock: Clock) -> None:
    starts = Starts(clock)
    pauses = [starts.pause_after(KILLED) for _ in range(9)]
    assert pauses == [0, 0, 0, 0.25, 0.5, 1, 2, 2, 2]
    clock.now = 61
    assert [starts.pause_after(KILLED) for _ in range(4)] == [0, 0, 0, 0.25]


def test_kills_do_not_count(clock: Clock) -> None:
    starts = Starts(clock)
    for _ in range(20):
        starts.pause_after(KILLED)
    assert not starts.hopeless and starts.reason == ""


def test_three_failures_in_a_row_are_hopeless_until_a_start_succeeds(clock: Clock) -> None:
    starts = Starts(clock)
    pauses = []
    for number in range(8):
        assert starts.hopeless is (number >= 3)
        pauses.append(starts.pause_after(StartError(f"failure {number}")))
        starts.pause_after(KILLED)
    assert pauses == [0.1, 0.5, 1, 2, 5, 10, 10, 10]
    assert starts.reason == "failure 7"
    starts.succeeded()
    assert not starts.hopeless and starts.reason == ""
    assert starts.pause_after(StartError("again")) == 0.1
