from __future__ import annotations

import pytest

from eas_processor.engine import rate


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(rate, "monotonic", lambda: now[0])
    return now


def test_a_second_holds_no_more_than_the_rate(clock: list[float]) -> None:
    limit = rate.RateLimit(3)
    assert [limit.take() for _ in range(5)] == [True, True, True, False, False]


def test_what_is_used_up_comes_back_at_the_same_rate(clock: list[float]) -> None:
    limit = rate.RateLimit(2)
    assert [limit.take() for _ in range(3)] == [True, True, False]
    clock[0] += 0.5
    assert [limit.take() for _ in range(2)] == [True, False]
    clock[0] += 3600
    assert [limit.take() for _ in range(3)] == [True, True, False]
