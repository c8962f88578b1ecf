"""What the engine holds for clients, and who has to go when that is too much."""

from __future__ import annotations

import gzip
import logging
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import pytest

from eas_processor.instances.links import BulkLink
from eas_processor.link import codes
from eas_processor.link.frames import BULK_SIZE, HEAD, REPLY
from eas_processor.serving import budget as module

MiB = 1024 * 1024
Bytes = Callable[..., bytes]
LINES = ("Authorization: t",)
CHUNKED = "Transfer-Encoding: chunked"


@pytest.fixture(autouse=True)
def always_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MEASURED_FOR_S", 0.0)


def leave_unread(client: Any, unread: int) -> None:
    client.transport.unsent = unread
    client.connection.pause_writing()


def pass_time(*clients: Any) -> None:
    """Let clients have read nothing for long enough to be dropped for others."""
    for client in clients:
        client.connection.flow.read_at -= module.STALLED_S + 1


# Bodies


def test_what_is_announced_takes_no_room_until_it_comes(make_desk: Any, post: Bytes) -> None:
    desk = make_desk(max_body=4 * MiB, max_buffered=5 * MiB)
    clients = [desk.new_client() for _ in range(20)]
    for client in clients:
        client.send(post(size=4 * MiB))
    assert desk.server.budget.free == 5 * MiB
    clients[0].send(bytes(4 * MiB), piece=100_000)
    assert desk.admission.bodies == [bytes(4 * MiB)]


def test_a_body_that_there_is_no_room_for_is_refused_before_it_comes(
    make_desk: Any, post: Bytes
) -> None:
    desk = make_desk(max_body=4 * MiB, max_buffered=5 * MiB)
    desk.client.send(post(bytes(4 * MiB)), piece=100_000)
    other = desk.new_client()
    other.send(post(size=2 * MiB))
    assert other.response.status == 450
    assert other.response.headers["retry-after"]
    assert b"--max-buffered" in other.response.body


def test_a_body_that_finds_no_room_on_its_way_is_refused(make_desk: Any, post: Bytes) -> None:
    desk = make_desk(max_body=4 * MiB, max_buffered=5 * MiB)
    slow = desk.new_client()
    slow.send(post(size=4 * MiB) + bytes(2 * MiB), piece=100_000)
    desk.client.send(post(size=4 * MiB) + bytes(4 * MiB - 1), piece=100_000)
    assert desk.client.response.status == 450
    assert slow.responses == []


def test_room_is_kept_for_small_bodies(make_desk: Any, post: Bytes) -> None:
    desk = make_desk(max_body=4 * MiB, max_buffered=5 * MiB)
    budget = desk.server.budget
    assert budget.reserve == 5 * MiB // 8
    half_sent = [desk.new_client() for _ in range(9)]
    for client in half_sent:
        client.send(post(size=MiB) + bytes(MiB - 1), piece=64 * 1024)
    assert 0 < budget.free - budget.reserve < MiB
    for size in (1, BULK_SIZE):
        client = desk.new_client()
        client.send(post(bytes(size)))
        desk.admission.submitted.pop().answer(0, [b"x"])
        assert client.response.status == 200
    large = desk.new_client()
    large.send(post(size=MiB + 1))
    assert large.response.status == 450


@pytest.mark.parametrize("end", ["answer", "leave"])
def test_room_is_given_back(make_desk: Any, post: Bytes, end: str) -> None:
    desk = make_desk(max_buffered=5 * MiB)
    for _ in range(4):
        client = desk.new_client()
        client.send(post(bytes(4 * MiB)))
        assert desk.server.budget.free == MiB
        if end == "answer":
            desk.admission.submitted.pop().answer(0, [b"x"])
        else:
            client.leave()
        assert desk.server.budget.free == 5 * MiB


def test_a_chunked_body_is_charged_as_it_comes(make_desk: Any, http: Bytes) -> None:
    desk = make_desk(max_body=4 * MiB, max_buffered=MiB)
    desk.client.send(http("POST", "/api/predict/echo", *LINES, CHUNKED))
    piece = b"%x\r\n" % 400_000 + bytes(400_000) + b"\r\n"
    desk.client.send(piece)
    assert desk.server.budget.free == MiB - 400_000
    desk.client.send(piece * 2)
    assert desk.client.response.status == 450
    assert desk.server.budget.free == MiB


async def test_a_body_that_grows_is_inflated_in_turns(
    make_desk: Any, post: Bytes, eventually_async: Any
) -> None:
    desk = make_desk()
    bombs = [desk.new_client() for _ in range(3)]
    for client in bombs:
        client.send(post(gzip.compress(bytes(20 * MiB)), "Content-Encoding: gzip"))
        assert not client.transport.reading
    assert desk.server.budget.free >= desk.server.budget.limit - 3 * MiB
    await eventually_async(lambda: len(desk.admission.bodies) == 3)
    assert set(map(len, desk.admission.bodies)) == {20 * MiB}
    assert all(client.transport.reading for client in bombs)
    bombs[0].send(post(gzip.compress(b"small"), "Content-Encoding: gzip"))
    assert desk.admission.bodies[-1] == b"small"


async def test_requests_behind_a_body_that_grows_are_answered_in_order(
    make_desk: Any, post: Bytes, eventually_async: Any
) -> None:
    desk = make_desk()
    bomb = post(gzip.compress(bytes(3 * MiB)), "Content-Encoding: gzip")
    desk.client.send(bomb + post(b"next"))
    await eventually_async(lambda: len(desk.admission.bodies) == 2)
    desk.answer_all()
    assert [len(each.body) for each in desk.client.responses] == [3 * MiB, 4]


@pytest.mark.parametrize("damage", ["too long", "cut off", "leaves"])
async def test_a_body_that_grows_and_ends_badly(
    make_desk: Any, post: Bytes, eventually_async: Any, damage: str
) -> None:
    desk = make_desk(max_body=8 * MiB)
    packed = gzip.compress(bytes(9 * MiB if damage == "too long" else 7 * MiB))
    packed = packed[:-9] if damage == "cut off" else packed
    desk.client.send(post(packed, "Content-Encoding: gzip"))
    if damage == "leaves":
        desk.client.leave()
    else:
        await eventually_async(lambda: desk.client.responses)
        assert desk.client.response.status == {"too long": 413, "cut off": 400}[damage]
    await eventually_async(lambda: desk.server.budget.free == desk.server.budget.limit)
    assert desk.admission.bodies == []


# Answers


def test_what_has_been_read_is_given_back_at_once(make_desk: Any) -> None:
    desk = make_desk(max_buffered=5 * MiB)
    reader = desk.client
    leave_unread(reader, 4 * MiB)
    assert not desk.server.budget.make_fit(2 * MiB)
    reader.transport.unsent = 2 * MiB
    assert desk.server.budget.make_fit(2 * MiB)
    assert desk.server.budget.free == 3 * MiB
    assert not reader.transport.aborted


def test_who_has_read_nothing_for_the_longest_is_dropped(
    make_desk: Any, caplog: pytest.LogCaptureFixture
) -> None:
    desk = make_desk(max_buffered=5 * MiB)
    first, second, third = (desk.new_client() for _ in range(3))
    leave_unread(first, 2 * MiB)
    leave_unread(second, 2 * MiB)
    second.connection.flow.read_at -= 1
    with caplog.at_level(logging.WARNING):
        leave_unread(third, 2 * MiB)
    assert [each.transport.aborted for each in (first, second, third)] == [False, True, False]
    assert "127.0.0.1:1 in mid-answer: it has not read 2097152 bytes" in caplog.text
    assert b"\neas_answers_dropped_total 1\n" in desk.metrics().encode()
    assert desk.server.budget.free == MiB
    first.connection.resume_writing()
    third.leave()
    assert desk.server.budget.free == 5 * MiB


def test_an_answer_that_finds_no_room_is_refused_and_cuts_nobody_off(
    make_desk: Any, post: Bytes
) -> None:
    desk = make_desk(max_buffered=5 * MiB)
    reader = desk.new_client()
    leave_unread(reader, 4 * MiB)
    desk.client.send(post(b"x"))
    desk.admission.submitted[0].answer(0, [bytes(2 * MiB)])
    assert desk.client.response.status == 450
    assert b"--max-buffered" in desk.client.response.body
    assert desk.admission.metrics.codes == {450: 1}
    assert not reader.transport.aborted


def test_one_that_has_stalled_makes_room_for_an_answer(make_desk: Any, post: Bytes) -> None:
    desk = make_desk(max_buffered=5 * MiB)
    stalled, reader = desk.new_client(), desk.new_client()
    leave_unread(stalled, 2 * MiB)
    leave_unread(reader, 2 * MiB)
    pass_time(stalled)
    desk.client.send(post(b"x"))
    desk.admission.submitted[0].answer(0, [bytes(2 * MiB)])
    assert desk.client.response.status == 200
    assert stalled.transport.aborted and not reader.transport.aborted


def test_nobody_is_dropped_for_an_answer_that_would_not_fit_even_so(
    make_desk: Any, post: Bytes
) -> None:
    desk = make_desk(max_buffered=5 * MiB)
    stalled, reader = desk.new_client(), desk.new_client()
    leave_unread(stalled, MiB)
    leave_unread(reader, 3 * MiB)
    pass_time(stalled)
    assert not desk.server.budget.make_fit(3 * MiB)
    assert not stalled.transport.aborted


@pytest.mark.parametrize("pieces", [1, 3])
def test_an_answer_that_never_fits_is_refused_with_the_limit(
    make_desk: Any, post: Bytes, pieces: int
) -> None:
    desk = make_desk(max_body=MiB, max_buffered=8 * MiB)
    desk.client.send(post(b"x") + post(b"y"))
    first, second = desk.admission.submitted
    first.answer(0, [bytes(9 * MiB // pieces)] * pieces)
    second.answer(0, [b"y"])
    refused, answered = desk.client.responses
    assert refused.status == 413
    assert b"9437184 bytes" in refused.body and b"7340032" in refused.body
    assert b"--max-buffered" in refused.body
    assert answered.body == b"y"


def test_answers_that_are_kept_behind_a_slow_one_are_charged(make_desk: Any, post: Bytes) -> None:
    desk = make_desk(max_buffered=5 * MiB)
    desk.client.send(post(b"slow") + post(b"quick") * 3)
    slow, *quick = desk.admission.submitted
    for request in quick[:2]:
        request.answer(0, [bytes(2 * MiB)])
    assert desk.server.budget.free == 1 * MiB - len(b"slow" + b"quick")
    quick[2].answer(0, [bytes(2 * MiB)])
    slow.answer(0, [b"now"])
    assert [each.status for each in desk.client.responses] == [200, 200, 200, 450]
    assert desk.server.budget.free == 5 * MiB


def test_small_answers_that_are_kept_may_not_be_too_many(make_desk: Any, post: Bytes) -> None:
    desk = make_desk(max_body=BULK_SIZE, max_buffered=3 * BULK_SIZE)
    reads_nothing = desk.new_client()
    leave_unread(reads_nothing, BULK_SIZE)
    desk.client.send(post(b"s") + post(b"q") * 4)
    for request in desk.admission.submitted[1:4]:
        request.answer(0, [bytes(BULK_SIZE - 10)])
    assert reads_nothing.transport.aborted and not desk.client.transport.aborted
    desk.admission.submitted[4].answer(0, [bytes(BULK_SIZE - 10)])
    assert desk.client.transport.aborted
    assert desk.server.budget.dropped == 2
    desk.client.leave()
    assert desk.server.budget.free == 3 * BULK_SIZE


# Answers on their way from a worker


class Link:
    def __init__(self, budget: Any, bodies: Any = None, account: Any = None) -> None:
        bodies = defaultdict(int, bodies or {})
        self.frames: list[Any] = []
        self.link = BulkLink(
            self.frames.extend, lambda: None, budget, lambda number: (bodies[number], account)
        )

    def receive(self, data: bytes) -> None:
        for start in range(0, len(data), 200_000):
            self.link.data_received(data[start : start + 200_000])


def reply(number: int, size: int) -> bytes:
    return HEAD.pack(size, REPLY, 0, codes.OK, number, 0.0) + bytes(size)


def test_an_answer_is_charged_from_its_head_on_until_it_is_handed_on() -> None:
    budget = module.Budget(5 * MiB, 4 * MiB)
    link = Link(budget)
    data = reply(1, 3 * MiB)
    link.receive(data[:300_000])
    assert budget.free == 2 * MiB
    link.receive(data[300_000:] + reply(2, 10) + reply(3, MiB)[:200_000])
    assert budget.free == 4 * MiB
    assert [frame[3] for frame in link.frames] == [1, 2]
    link.link.connection_lost(None)
    assert budget.free == 5 * MiB


@pytest.mark.parametrize(
    ("size", "code"), [(3 * MiB, codes.QUEUE_FULL), (6 * MiB, codes.TOO_LARGE)]
)
def test_an_answer_that_there_is_no_room_for_is_thrown_away_as_it_comes(
    size: int, code: int
) -> None:
    budget = module.Budget(5 * MiB, 4 * MiB)
    budget.free -= 2 * MiB
    link = Link(budget)
    link.receive(reply(1, size)[:-1])
    assert budget.free == 3 * MiB
    budget.free += 2 * MiB  # too late for this one
    link.receive(b"\0" + reply(2, 3 * MiB))
    (_, _, refused, first, _, payload), (_, _, ok, second, _, whole) = link.frames
    assert (first, refused) == (1, code) and b"--max-buffered" in b"".join(payload)
    assert (second, ok) == (2, codes.OK) and sum(map(len, whole)) == 3 * MiB
    assert budget.free == 5 * MiB


def test_the_body_of_a_call_makes_room_for_its_answer() -> None:
    budget = module.Budget(5 * MiB, 4 * MiB)
    budget.free -= 4 * MiB  # the body, which is given back with the answer
    link = Link(budget, {1: 4 * MiB})
    link.receive(reply(1, 4 * MiB)[:-1])
    assert budget.free == MiB
    link.receive(b"\0")
    assert link.frames[0][2] == codes.OK
    assert budget.free == MiB
    larger = Link(budget, {2: 4 * MiB})
    larger.receive(reply(2, 4 * MiB + 1000))
    assert larger.frames[0][2] == codes.OK and budget.free == MiB
