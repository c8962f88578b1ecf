from __future__ import annotations

import time
from dataclasses import FrozenInstanceError

import pytest

from eas_prediction._retry import RetryPolicy, retry
from eas_prediction.exception import ConnectionLost, InvalidRequest, Overloaded, Refused

SOON = 3600.0


@pytest.fixture
def naps(monkeypatch):
    """What was slept, without sleeping."""
    naps: list[float] = []
    monkeypatch.setattr(time, "sleep", naps.append)
    return naps


def attempts(*outcomes):
    """An attempt that has these outcomes in turn, and the list of those that are left."""
    left = list(outcomes)

    def attempt():
        outcome = left.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return attempt, left


def lost() -> ConnectionLost:
    return ConnectionLost(500, "lost")


def test_goes_on_until_an_attempt_succeeds(naps):
    attempt, left = attempts(lost(), Overloaded(450, "full"), "answer", "too many")
    assert retry(attempt, lost(), RetryPolicy(), time.monotonic() + SOON) == "answer"
    assert left == ["too many"]
    assert len(naps) == 3


def test_attempts_count_the_first(naps):
    last = lost()
    attempt, left = attempts(lost(), last, "too many")
    with pytest.raises(ConnectionLost) as raised:
        retry(attempt, lost(), RetryPolicy(attempts=3), time.monotonic() + SOON)
    assert raised.value is last
    assert left == ["too many"]


def test_one_attempt_means_no_other(naps):
    attempt, left = attempts("too many")
    with pytest.raises(ConnectionLost):
        retry(attempt, lost(), RetryPolicy(attempts=1), time.monotonic() + SOON)
    assert (left, naps) == (["too many"], [])


def test_a_lasting_failure_ends_it(naps):
    attempt, left = attempts(Refused(400, "no"), "too many")
    with pytest.raises(Refused):
        retry(attempt, lost(), RetryPolicy(), time.monotonic() + SOON)
    assert left == ["too many"]


def test_nothing_is_tried_after_the_deadline(naps):
    attempt, left = attempts("too late")
    with pytest.raises(ConnectionLost):
        retry(attempt, lost(), RetryPolicy(), time.monotonic() - 1)
    assert (left, naps) == (["too late"], [])


def test_a_pause_leaves_time_for_the_attempt(naps):
    attempt, _ = attempts("answer")
    retry(attempt, lost(), RetryPolicy(backoff=100, max_backoff=100), time.monotonic() + 10)
    assert naps[0] <= 5


def test_pauses_double_up_to_the_longest(naps):
    policy = RetryPolicy(attempts=6, backoff=1, max_backoff=5)
    attempt, _ = attempts(lost(), lost(), lost(), lost(), "answer")
    retry(attempt, lost(), policy, time.monotonic() + SOON)
    assert len(naps) == 5
    for number, longest in enumerate((1, 2, 4, 5, 5)):
        assert longest / 2 <= naps[number] <= longest


def overloaded(retry_after: float) -> Overloaded:
    failure = Overloaded(429, "slow down")
    failure.retry_after = retry_after
    return failure


def test_retry_after_is_kept_to(naps):
    attempt, _ = attempts("answer")
    retry(attempt, overloaded(30), RetryPolicy(), time.monotonic() + 40)
    assert naps == [30]


def test_retry_after_beyond_the_deadline_is_not_waited_for(naps):
    attempt, left = attempts("too late")
    with pytest.raises(Overloaded):
        retry(attempt, overloaded(30), RetryPolicy(), time.monotonic() + 20)
    assert (left, naps) == (["too late"], [])


def test_the_policy_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        RetryPolicy().attempts = 2  # type: ignore[misc]


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"attempts": 0}, "attempts: expected 1 or more, got 0"),
        ({"backoff": -1}, "got backoff -1"),
        ({"backoff": 3, "max_backoff": 2}, "got backoff 3 and max_backoff 2"),
    ],
)
def test_impossible_policies(setting, message):
    with pytest.raises(InvalidRequest, match=message):
        RetryPolicy(**setting)
