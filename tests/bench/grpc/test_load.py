from __future__ import annotations

import threading
from collections import Counter
from typing import Any

import grpc
import pytest
from fixtures.grpc_servers import frame_server, goaway, good, grpcio_server, trailers

from eas_processor.bench.grpc import frames
from eas_processor.bench.grpc.call import build_calls
from eas_processor.bench.grpc.one_call import call_once
from eas_processor.bench.load import Plan, Result, run_load
from eas_processor.bench.target import PREDICT, Target, parse_url
from eas_processor.errors import BenchError

PLAN = Plan(connections=2, concurrency=7, duration=60.0, warm_up=0.0, timeout=60.0, requests=40)


def load(target: Target, plan: Plan = PLAN, message: bytes = b"asked") -> Result:
    return run_load(target, build_calls(target, [message]), plan)


def test_calls_are_answered_by_grpcio() -> None:
    seen: Counter[bytes] = Counter()

    def answer(_: str, message: bytes, __: Any) -> bytes:
        seen[message] += 1
        return b"answered"

    with grpcio_server(answer) as target:
        result = run_load(target, build_calls(target, [b"one", b"two"]), PLAN)
    assert dict(result.statuses) == {0: 40} and not result.failed
    assert seen[b"one"] >= 20 <= seen[b"two"]


def test_as_many_calls_are_in_flight_as_the_plan_says() -> None:
    all_there = threading.Barrier(4)

    def answer(*_: Any) -> bytes:
        all_there.wait(30)  # grpcio runs four at a time here
        return b"x"

    plan = Plan(connections=1, concurrency=4, duration=60.0, warm_up=0.0, requests=8)
    with grpcio_server(answer) as target:
        assert load(target, plan).answers == 8


@pytest.mark.parametrize("size", [16_379, 16_380, 70_000, 5_000_000])
def test_a_message_of_any_size_arrives_whole(size: int) -> None:
    message = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    with grpcio_server(lambda _, got, __: got) as target:
        (call,) = build_calls(target, [message])
        assert call_once(target, call, 30).message == message
        result = load(target, Plan(concurrency=3, duration=60.0, warm_up=0.0, requests=6), message)
    assert dict(result.statuses) == {0: 6}


def test_statuses_are_counted_by_their_numbers() -> None:
    def answer(_: str, message: bytes, context: Any) -> bytes:
        if message == b"bad":
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "nö")
        return b"x"

    with grpcio_server(answer) as target:
        calls = build_calls(target, [b"bad", b"good"])
        result = run_load(target, calls, PLAN)
        refused = call_once(target, calls[0], 30)
    assert result.statuses[0] + result.statuses[3] == 40 == result.answers
    assert result.failed == result.statuses[3] > 10
    assert (refused.status, refused.text) == (3, "nö")


def test_the_call_that_grpcio_sees() -> None:
    def answer(method: str, _: bytes, context: Any) -> bytes:
        metadata = dict(context.invocation_metadata())
        return f"{method} {metadata['authorization']} {context.time_remaining():.0f}".encode()

    with grpcio_server(answer) as target:
        (call,) = build_calls(target, [b""], token="t" * 300, timeouts=[77.4])
        said = call_once(target, call, 30).message.decode()
    assert said == f"{PREDICT} {'t' * 300} 77"


def test_each_timeout_has_a_call_of_its_own() -> None:
    target = parse_url("grpc://host/model")
    calls = build_calls(target, [b"a", b"b"], timeouts=[0.5, 200.0, 5e9])
    sent = [(call.block.rpartition(b"grpc-timeout")[2][1:-5], call.message[5:]) for call in calls]
    assert sent == [(b"500000u", b"a"), (b"200000m", b"b"), (b"99999999S", b"a")]


def test_indexed_calls_follow_each_other_on_one_connection() -> None:
    left: list[float] = []

    def answer(_: str, message: bytes, context: Any) -> bytes:
        left.append(context.time_remaining())
        return b"x"

    timeouts = [100.0 + number / 7 for number in range(200)]
    with grpcio_server(answer) as target:
        calls = build_calls(target, [b"m"], token="t", timeouts=timeouts, indexed=True)
        # More than there are, so they start over.
        plan = Plan(concurrency=8, duration=60.0, warm_up=0.0, timeout=60.0, requests=500)
        result = run_load(target, calls, plan)
    assert dict(result.statuses) == {0: 500}
    assert len(calls[1].block) < len(calls[0].block) / 2
    assert len({round(each) for each in left}) > 20


def test_a_reset_is_counted_and_the_lane_goes_on() -> None:
    def answer(stream: int, number: int) -> bytes:
        return frames.reset(stream, 7) if number % 4 == 0 else good(stream)

    # On one connection the first 40 that are answered are those of the numbers 0 to 39.
    one = Plan(connections=1, concurrency=7, duration=60.0, warm_up=0.0, timeout=60.0, requests=40)
    with frame_server(answer) as target:
        result = load(target, one)
    assert dict(result.errors) == {"the stream was reset (REFUSED_STREAM)": 10}
    assert result.answers == 30


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (lambda s: trailers(s, (":status", "404")), "HTTP status 404 and no grpc-status"),
        (lambda s: trailers(s, (":status", "200"), ("grpc-status", "0")), "OK without a message"),
        (lambda s: b"HTTP/1.1 400 Bad Request\r\n\r\n", "not HTTP/2: b'HTTP/1.1 400"),
        (lambda s: frames.frame(frames.HEADERS, 5, s, b"\xff\xff\xff"), "headers that cannot"),
        (lambda s: b"", "the connection was cut before the answer"),
    ],
)
def test_what_is_no_answer_is_an_error(reply: Any, error: str) -> None:
    def answer(stream: int, number: int) -> bytes:
        return bytes(reply(stream)) if number == 5 else good(stream)

    plan = Plan(duration=60.0, warm_up=0.0, requests=20)
    with frame_server(answer) as target:
        result = load(target, plan)
    assert result.answers == 19
    ((said, count),) = result.errors.items()
    assert error in said and count == 1


def test_a_server_that_drains_loses_no_call_that_it_took() -> None:
    def answer(stream: int, number: int) -> bytes:
        return (goaway(stream) if number % 10 == 9 else b"") + good(stream)

    with frame_server(answer) as target:
        result = load(target, Plan(duration=60.0, warm_up=0.0, requests=45))
    assert result.answers == 45 and not result.errors


def test_calls_that_a_draining_server_did_not_take_are_errors() -> None:
    def answer(stream: int, number: int) -> bytes:
        return goaway(0, 0) if number == 3 else good(stream)

    with frame_server(answer) as target:
        result = load(target, Plan(duration=60.0, warm_up=0.0, requests=10))
    assert dict(result.errors) == {"the server closes before it took the call (NO_ERROR)": 1}
    assert result.answers == 9


def test_a_call_without_an_answer_is_given_up_and_the_lane_goes_on() -> None:
    def answer(stream: int, number: int) -> bytes:
        return good(stream) if number else frames.frame(frames.PING, 0, 0, bytes(8))

    plan = Plan(duration=60.0, warm_up=0.0, timeout=0.3, requests=5)
    with frame_server(answer) as target:
        result = load(target, plan)
    assert dict(result.errors) == {"no answer within 0.3 s": 1} and result.answers == 4


def test_headers_in_pieces_and_padding_are_read() -> None:
    def answer(stream: int, _: int) -> bytes:
        whole = trailers(stream, (":status", "200"), ("grpc-status", "8"))[frames.HEAD_SIZE :]
        padded = b"\2" + whole[:3] + b"\0\0"
        flags = frames.END_STREAM | frames.PADDED
        return frames.frame(frames.HEADERS, flags, stream, padded) + frames.frame(
            frames.CONTINUATION, frames.END_HEADERS, stream, whole[3:]
        )

    with frame_server(answer) as target:
        assert dict(load(target).statuses) == {8: 40}


def test_a_server_that_takes_fewer_calls_is_named() -> None:
    settings = {frames.MAX_CONCURRENT_STREAMS: 2}
    with (
        frame_server(lambda stream, _: good(stream), settings) as target,
        pytest.raises(
            BenchError, match=r"2 calls at a time on a connection, and [34] were asked for"
        ),
    ):
        load(target)


def test_nobody_listens() -> None:
    with frame_server(lambda stream, _: good(stream)) as target:
        pass
    with pytest.raises(BenchError, match="is the service running"):
        load(target)


@pytest.mark.parametrize("token", ["a\nb", "ü"])
def test_a_token_that_no_header_can_have(token: str) -> None:
    with pytest.raises(BenchError, match="token must"):
        build_calls(parse_url("grpc://host/m"), [b""], token=token)
