"""Who is sent where, who waits, who is refused, and that nothing is kept of those who left."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic
from typing import Any

import pytest

from eas_processor.contracts.call import Call
from eas_processor.instances.instance import BYTE_CREDIT, Instance
from eas_processor.link import codes
from eas_processor.link.frames import BULK_SIZE, HEAD, PREDICT, REPLY
from eas_processor.serving.admission import Admission

LARGE = BULK_SIZE + 1


class ARequest(Call):
    """A request that notes its answers."""

    def __init__(self, size: int = 1, keepalive: float = 60.0) -> None:
        super().__init__()
        self.size = size
        self.body = [b"x"]
        self.deadline = monotonic() + keepalive
        self.answers: list[tuple[int, bytes]] = []
        self.answered = asyncio.Event()

    def answer(self, status: int, payload: list[bytes]) -> None:
        self.answers.append((status, b"".join(payload)))
        self.answered.set()

    @property
    def status(self) -> int | None:
        return self.answers[0][0] if self.answers else None


@pytest.fixture
def admission(service: Any) -> Admission:
    return Admission(service(max_queue_size=2))


@pytest.fixture
def instance(service: Any, admission: Admission, fake_transport: Any) -> Callable[..., Instance]:
    """Makes a ready instance of two requests' credit, whose worker is the test."""

    def make() -> Instance:
        made = Instance(1, service(threads=2), admission.refill, lambda *_: None, admission.metrics)
        for channel in ("control", "data", "bulk"):
            made.attach(channel, fake_transport())
        made.introduce(1)
        admission.instance_ready(made)
        return made

    return make


def submit(admission: Admission, *sizes: int) -> list[ARequest]:
    requests = [ARequest(size) for size in sizes]
    for request in requests:
        admission.begin(request)
        admission.submit(request, monotonic())
    return requests


def reply(instance: Instance, *requests: ARequest) -> None:
    instance.replies([(REPLY, 0, codes.OK, each.number, 0.0, [b"done"]) for each in requests])


def sent(instance: Instance) -> list[int]:
    """Return the numbers of the requests that the worker was sent on the data channel."""
    instance.flush()
    data, numbers = instance._links["data"].written, []  # type: ignore[attr-defined]
    while data:
        _, kind, _, _, number, _ = HEAD.unpack_from(data)
        if kind == PREDICT:
            numbers.append(number)
        data = data[HEAD.size + (kind == PREDICT) :]
    return numbers


async def test_the_queue_is_first_come_first_served(admission: Admission, instance: Any) -> None:
    worker = instance()
    requests = submit(admission, 1, 1, 1, 1)
    numbers = [each.number for each in requests]
    assert sent(worker) == numbers[:2]
    reply(worker, requests[1])
    assert sent(worker) == numbers[:3]
    reply(worker, requests[0], requests[2])
    assert sent(worker) == numbers
    assert [each.status for each in requests] == [codes.OK, codes.OK, codes.OK, None]


async def test_the_instance_with_the_least_to_do_is_chosen(
    admission: Admission, instance: Any
) -> None:
    one, two = instance(), instance()
    requests = submit(admission, 1, 1, 1)
    assert (len(one.held), len(two.held)) == (2, 1)
    reply(one, requests[0], requests[2])
    submit(admission, 1)
    assert (len(one.held), len(two.held)) == (1, 1)


async def test_what_was_noted_of_those_who_left_does_not_pile_up(
    admission: Admission, instance: Any
) -> None:
    instance()
    submit(admission, 1, 1)
    for _ in range(1500):
        admission.withdraw(*submit(admission, 1))
    assert len(admission.metrics.steps["receive"].noted) < 1100


async def test_a_full_queue_refuses(admission: Admission, instance: Any) -> None:
    worker = instance()
    requests = submit(admission, 1, 1, 1, 1, 1)
    assert [each.status for each in requests] == [None, None, None, None, codes.QUEUE_FULL]
    assert b"is full (limit 2, set by metadata.rpc.max_queue_size)" in requests[4].answers[0][1]
    reply(worker, requests[0])
    assert submit(admission, 1)[0].status is None


async def test_a_queue_full_of_large_requests_refuses_large_ones_only(
    admission: Admission, instance: Any
) -> None:
    instance()
    requests = submit(admission, BYTE_CREDIT, LARGE, LARGE, LARGE, 1)
    assert [each.status for each in requests] == [None, None, None, codes.QUEUE_FULL, None]
    assert admission.refusal(LARGE) is not None


async def test_large_requests_do_not_hold_up_small_ones(
    admission: Admission, instance: Any
) -> None:
    worker = instance()
    large, waiting, small = submit(admission, BYTE_CREDIT, LARGE, 1)
    assert set(worker.held) == {large.number, small.number}
    reply(worker, large)
    assert set(worker.held) == {waiting.number, small.number}


async def test_small_requests_do_not_starve_a_body_above_the_byte_credit(
    admission: Admission, instance: Any
) -> None:
    worker = instance()
    first, second = submit(admission, 1, 1)
    (large,) = submit(admission, BYTE_CREDIT + 1)
    reply(worker, first)
    assert set(worker.held) == {second.number, large.number}


async def test_a_large_request_is_not_passed_by_smaller_large_ones(
    admission: Admission, instance: Any
) -> None:
    worker = instance()
    first, larger = submit(admission, BYTE_CREDIT - LARGE, BYTE_CREDIT)
    submit(admission, LARGE)
    assert set(worker.held) == {first.number}
    reply(worker, first)
    assert set(worker.held) == {larger.number}


async def test_requests_wait_while_an_instance_is_expected(
    admission: Admission, instance: Any
) -> None:
    (request,) = submit(admission, 1)
    assert not admission.ready
    worker = instance()
    assert sent(worker) == [request.number]


async def test_nobody_waits_when_no_instance_is_expected(admission: Admission) -> None:
    waiting = submit(admission, 1, LARGE)
    admission.expect(False)
    late = submit(admission, 1)
    assert [each.status for each in [*waiting, *late]] == [
        codes.UNAVAILABLE,
        codes.UNAVAILABLE,
        codes.UNAVAILABLE,
    ]


async def test_those_who_wait_stay_while_another_instance_is_ready(
    admission: Admission, instance: Any
) -> None:
    gone, left = instance(), instance()
    requests = submit(admission, 1, 1, 1, 1, 1)
    admission.instance_gone(gone)
    admission.instance_gone(gone)
    admission.expect(False)
    assert requests[4].status is None
    reply(left, requests[1])
    assert requests[4].number in left.held


async def test_a_request_that_waits_is_answered_at_its_deadline(service: Any) -> None:
    admission = Admission(service(keepalive=0.05))
    requests = [ARequest(keepalive=0.05), ARequest(keepalive=0.06)]
    for request in requests:
        admission.begin(request)
        admission.submit(request, monotonic())
    await asyncio.gather(*(each.answered.wait() for each in requests))
    assert [each.answers for each in requests] == [
        [(codes.DEADLINE_EXCEEDED, b"not answered within 50 ms (metadata.rpc.keepalive)")]
    ] * 2
    assert admission.outstanding == 0 and not admission._small


async def test_a_request_that_runs_is_answered_once_at_its_deadline(
    admission: Admission, instance: Any
) -> None:
    worker = instance()
    request = ARequest(keepalive=0.01)
    admission.begin(request)
    admission.submit(request, monotonic())
    await request.answered.wait()
    assert worker.held
    reply(worker, request)
    assert [status for status, _ in request.answers] == [codes.DEADLINE_EXCEEDED]
    assert not worker.held


async def test_the_timer_starts_again_for_the_next_request(admission: Admission) -> None:
    for _ in range(2):
        request = ARequest(keepalive=0.01)
        admission.begin(request)
        await request.answered.wait()


async def test_nothing_is_kept_of_requests_that_were_withdrawn(
    admission: Admission, instance: Any
) -> None:
    worker = instance()
    requests = submit(admission, 1, LARGE, 1, LARGE)
    for request in requests:
        admission.withdraw(request)
    assert admission.outstanding == 0
    assert not admission._small and not admission._large
    # The worker has two still: their credit is free when it has answered, and not before.
    assert set(worker.held) == {each.number for each in requests[:2]}
    assert all(not held.body for held in worker.held.values())
    reply(worker, *requests[:2])
    assert not worker.held and worker.has_credit(BYTE_CREDIT)
    assert [each.status for each in requests] == [None] * 4


async def test_a_withdrawn_request_makes_room_in_the_queue(
    admission: Admission, instance: Any
) -> None:
    instance()
    requests = submit(admission, 1, 1, 1, 1)
    admission.withdraw(requests[2])
    assert submit(admission, 1)[0].status is None
