from __future__ import annotations

from typing import Any

import pytest

from eas_processor.link.codes import RATE_LIMITED
from eas_processor.serving import rate
from eas_processor.serving.rate import GatewayPolicy


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


def test_a_gateway_policy_limits_what_is_on_its_way(service: Any) -> None:
    assert GatewayPolicy.of(service()) is None
    policy = GatewayPolicy.of(service(gateway_concurrency=2))
    assert policy is not None and policy.take(1) is None
    refusal = policy.take(2)
    assert refusal is not None and refusal.code == RATE_LIMITED


def test_a_gateway_policy_limits_the_rate(service: Any) -> None:
    policy = GatewayPolicy.of(service(gateway_rate=2.0))
    assert policy is not None
    refusals = [policy.take(0) for _ in range(3)]
    assert refusals[:2] == [None, None]
    assert "gateway_policy.rate_limit" in str(refusals[2])
