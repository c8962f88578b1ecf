"""The load on this project's own listener, which knows header blocks again as the load does."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from frontends.grpc.http2.running_echo import RunningEcho

from eas_processor.bench.grpc.call import build_calls
from eas_processor.bench.grpc.one_call import call_once
from eas_processor.bench.load import Plan, run_load
from eas_processor.bench.target import Target, parse_url

ECHO = "/test.Echo/Echo"
PLAN = Plan(connections=2, concurrency=16, duration=60.0, warm_up=0.0, requests=2000)


@pytest.fixture(scope="module")
def target() -> Iterator[Target]:
    echo = RunningEcho()
    try:
        host, port = echo.address
        yield parse_url(f"grpc://{host}:{port}/model")
    finally:
        echo.stop()


def test_small_calls_are_answered(target: Target) -> None:
    result = run_load(target, build_calls(target, [b"x" * 3205], path=ECHO), PLAN)
    assert dict(result.statuses) == {0: 2000} and not result.errors


def test_deadlines_that_vary_are_read(target: Target) -> None:
    timeouts = [20 + number / 7 for number in range(500)]
    calls = build_calls(target, [b"x"], path=ECHO, timeouts=timeouts, indexed=True)
    plan = Plan(concurrency=16, duration=60.0, warm_up=0.0, requests=2000)
    result = run_load(target, calls, plan)
    assert dict(result.statuses) == {0: 2000} and not result.errors


def test_a_large_message_comes_back_whole(target: Target) -> None:
    message = bytes(range(256)) * 30_000
    (call,) = build_calls(target, [message], path=ECHO)
    assert call_once(target, call, 60.0).message == message
