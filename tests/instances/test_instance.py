"""What the engine knows of one worker; the worker's ends of the sockets are in the test's hands."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic
from typing import Any

import pytest

from eas_processor.contracts.account import Account
from eas_processor.contracts.backend import State
from eas_processor.contracts.call import Call
from eas_processor.contracts.counters import ServiceMetrics
from eas_processor.instances import instance as module
from eas_processor.instances.instance import BYTE_CREDIT, Instance
from eas_processor.link import codes
from eas_processor.link.frames import (
    BULK_SIZE,
    CANCEL,
    HEAD,
    PREDICT,
    REPLY,
    RUN_TIMES,
    STOP,
    TIMES,
    WARMED,
    pack,
)


class ARequest(Call):
    account = Account()

    def __init__(self, body: bytes) -> None:
        super().__init__()
        self.body = [body]
        self.size = len(body)
        self.answers: list[tuple[int, bytes]] = []

    def answer(self, status: int, payload: list[bytes]) -> None:
        self.answers.append((status, b"".join(payload)))


class Worker:
    """An instance with fake sockets, and what it has said."""

    def __init__(self, settings: Any, fake_transport: Any) -> None:
        self.deaths: list[tuple[State, list[Call]]] = []
        self.credits = 0
        self.links = {name: fake_transport() for name in ("control", "data", "bulk")}
        self.metrics = ServiceMetrics()
        self.instance = Instance(
            7,
            settings,
            self._credit,
            lambda _, was, caught: self.deaths.append((was, caught)),
            self.metrics,
        )

    def _credit(self, _: Instance) -> None:
        self.credits += 1

    def attach(self, *channels: str) -> None:
        for channel in channels or self.links:
            self.instance.attach(channel, self.links[channel])
        self.instance.introduce(42)

    def die(self, how: str) -> None:
        """End as a process does: the launcher says how, and its sockets reach their ends."""
        self.instance.exited(how)
        for channel in self.links:
            self.instance.link_lost(channel)

    @property
    def loaded(self) -> bool:
        return self.instance._loaded.done()


@pytest.fixture
def make_worker(service: Any, fake_transport: Any) -> Callable[..., Worker]:
    return lambda **settings: Worker(service(**settings), fake_transport)


FACTS = b'{"info_code": 0, "info_status": 0, "info": "{}"}'


async def test_it_is_loaded_when_it_says_so(make_worker: Any) -> None:
    worker = make_worker()
    worker.attach()
    assert not worker.loaded
    worker.instance.has_loaded(FACTS)
    await worker.instance.loaded()
    assert worker.instance.state is State.WARMING and worker.instance.info["info"] == "{}"


@pytest.mark.parametrize(
    ("from_outside", "failure", "blamed", "killed"),
    [
        (True, "", "", True),
        (False, "", "", False),
        (True, "no such model", "", False),
        (True, "", "killed: it gave no sign of life", False),
    ],
)
async def test_whose_fault_an_end_is(
    make_worker: Any, from_outside: bool, failure: str, blamed: str, killed: bool
) -> None:
    instance = make_worker().instance
    if failure:
        instance.has_failed(failure)
    if blamed:
        instance.blame(blamed)
    instance.exited("killed by SIGKILL", from_outside=from_outside)
    assert instance.killed is killed


async def test_a_failure_ends_the_wait_and_the_first_one_counts(make_worker: Any) -> None:
    worker = make_worker()
    worker.attach("control")
    worker.instance.has_failed("no such file: model.pb")
    worker.die("exit status 0")
    await worker.instance.loaded()
    assert worker.instance.failure == "no such file: model.pb"


async def test_a_death_while_loading_tells_how_and_the_last_words(make_worker: Any) -> None:
    worker = make_worker()
    for line in ("F0000 00:00:1.5 7 a.cc:1] Check failed: x == y", "    @ 0x7f66 _start"):
        worker.instance.last_words.note(line)
    worker.die("killed by SIGABRT")
    await worker.instance.loaded()
    assert worker.instance.failure == (
        "the worker died while it loaded the model (killed by SIGABRT): Check failed: x == y"
    )
    assert worker.deaths == [(State.STARTING, [])]


async def test_a_worker_that_may_start_no_thread_tells_which_limit_to_raise(
    make_worker: Any,
) -> None:
    worker = make_worker()
    for line in ("F env.cc:84] Thread tf_ creation via pthread_create() failed.", "@ 0x7f6 call"):
        worker.instance.last_words.note(line)
    worker.die("killed by SIGABRT")
    await worker.instance.loaded()
    before, lacks = worker.instance.failure.split(" failed.; ")
    assert before.endswith("pthread_create()") and "processes and threads" in lacks


async def test_requests_go_out_on_the_socket_of_their_size(make_worker: Any) -> None:
    worker = make_worker()
    worker.attach()
    small, large, another = ARequest(b"s"), ARequest(b"L" * (BULK_SIZE + 1)), ARequest(b"a")
    small.deadline = 12.5
    for request in (small, large, another):
        worker.instance.send(request)
    assert not any(link.written for link in worker.links.values())
    worker.instance.flush()
    worker.instance.flush()
    head = HEAD.pack(1, PREDICT, 0, 1, small.number, 12.5)
    next_head = HEAD.pack(1, PREDICT, 0, 3, another.number, 0.0)
    assert worker.links["data"].written == head + b"s" + next_head + b"a"
    assert worker.links["bulk"].written[HEAD.size :] == large.body[0]


async def test_a_burst_is_written_before_the_turn_ends(make_worker: Any) -> None:
    worker = make_worker(threads=99)
    worker.attach()
    written = []
    for _ in range(module._FIRST_BURST + module._BURST + 1):
        worker.instance.send(ARequest(b""))
        written.append(len(worker.links["data"].written) // HEAD.size)
    # The first ones for an idle worker go early, then a full burst; the last waits for `flush`.
    first, burst = module._FIRST_BURST, module._BURST
    assert written == [0] * (first - 1) + [first] * burst + [first + burst] * 2


async def test_answers_reach_whoever_waits(make_worker: Any) -> None:
    worker = make_worker()
    worker.attach()
    worker.instance.serve()
    one, two, gone = (ARequest(b"x") for _ in range(3))
    for request in (one, two, gone):
        worker.instance.send(request)
    worker.instance.cancel(gone)
    assert worker.links["data"].written.endswith(pack(CANCEL, number=gone.number))
    worker.instance.replies(
        [
            (REPLY, 0, codes.OK, two.number, 0.0, [b"t", b"wo"]),
            (REPLY, 0, codes.CANCELLED, gone.number, 0.0, [b""]),
            (REPLY, 0, codes.INVALID_ARGUMENT, one.number, 0.0, [b"bad"]),
        ]
    )
    assert (one.answers, two.answers, gone.answers) == (
        [(codes.INVALID_ARGUMENT, b"bad")],
        [(codes.OK, b"two")],
        [],
    )
    assert worker.credits == 1 and not worker.instance.held


async def test_nobody_is_sent_to_an_instance_that_warms_up_or_drains(make_worker: Any) -> None:
    worker = make_worker()
    worker.attach()
    for change in (lambda: None, worker.instance.drain):
        change()
        request = ARequest(b"x")
        worker.instance.send(request)
        worker.instance.replies([(REPLY, 0, codes.OK, request.number, 0.0, [])])
    assert worker.credits == 0


async def test_credit_is_counted_in_requests(make_worker: Any) -> None:
    worker = make_worker(threads=2)
    worker.attach()
    for _ in range(2):
        assert worker.instance.has_credit(1)
        worker.instance.send(ARequest(b"x"))
    assert not worker.instance.has_credit(1)
    with_batching = make_worker(threads=2, batch_size=3)
    with_batching.attach()
    for _ in range(6):
        assert with_batching.instance.has_credit(1)
        with_batching.instance.send(ARequest(b"x"))
    assert not with_batching.instance.has_credit(1)


async def test_credit_is_counted_in_bytes_of_large_bodies(make_worker: Any) -> None:
    worker = make_worker(threads=9)
    worker.attach()
    assert worker.instance.has_credit(BYTE_CREDIT + 1)
    worker.instance.send(ARequest(b"x"))
    assert worker.instance.has_credit(BYTE_CREDIT + 1)
    large = ARequest(b"x" * (BULK_SIZE + 1))
    worker.instance.send(large)
    assert not worker.instance.has_credit(BYTE_CREDIT)
    assert worker.instance.has_credit(BYTE_CREDIT - large.size)
    assert worker.instance.has_credit(BULK_SIZE)
    worker.instance.replies([(REPLY, 0, codes.OK, large.number, 0.0, [])])
    assert worker.instance.has_credit(BYTE_CREDIT)


async def test_who_pays_for_an_answer_is_known_also_when_nobody_waits(make_worker: Any) -> None:
    worker = make_worker()
    worker.attach()
    request = ARequest(b"body")
    worker.instance.send(request)
    assert worker.instance.charges_of(request.number) == (4, ARequest.account)
    worker.instance.cancel(request)
    assert worker.instance.charges_of(request.number) == (0, ARequest.account)
    assert worker.instance.charges_of(request.number + 1) == (0, None)


async def test_a_death_hands_back_what_somebody_waits_for(make_worker: Any) -> None:
    worker = make_worker()
    worker.attach()
    worker.instance.has_loaded(FACTS)
    worker.instance.has_warmed()
    worker.instance.serve()
    held, gone = ARequest(b"x"), ARequest(b"x")
    worker.instance.send(held)
    worker.instance.send(gone)
    worker.instance.cancel(gone)
    worker.die("killed by SIGKILL")
    assert worker.deaths == [(State.READY, [held])]
    assert held.body == [b"x"] and held.instance is None
    assert held.answers == gone.answers == []
    assert all(link.closed for link in worker.links.values())


async def test_what_a_dead_worker_has_written_is_read_first(make_worker: Any) -> None:
    worker = make_worker()
    worker.attach()
    worker.instance.serve()
    answered, lost = ARequest(b"x"), ARequest(b"x")
    worker.instance.send(answered)
    worker.instance.send(lost)
    worker.instance.exited("killed by SIGKILL")
    assert not worker.deaths
    worker.instance.replies([(REPLY, 0, codes.OK, answered.number, 0.0, [b"done"])])
    worker.instance.link_lost("data")
    assert not worker.deaths
    worker.instance.link_lost("bulk")
    assert answered.answers == [(codes.OK, b"done")]
    assert worker.deaths == [(State.READY, [lost])]


async def test_a_socket_that_stays_open_does_not_hold_up_a_death_for_long(
    make_worker: Any, monkeypatch: pytest.MonkeyPatch, eventually_async: Any
) -> None:
    monkeypatch.setattr(module, "_LAST_ANSWERS_S", 0.01)
    worker = make_worker()
    worker.attach()
    worker.instance.exited("killed by SIGKILL")
    await eventually_async(lambda: worker.deaths == [(State.STARTING, [])])


async def test_a_worker_that_is_dying_is_sent_nothing(make_worker: Any) -> None:
    worker = make_worker()
    worker.attach()
    for link in worker.links.values():
        link.close()
    request = ARequest(b"x")
    worker.instance.send(request)
    worker.instance.flush()
    worker.instance.take_no_more()
    assert not worker.instance.has_credit(1)
    worker.instance.cancel(request)
    worker.instance.has_warmed()
    worker.instance.stop()
    assert not any(link.written for link in worker.links.values())
    worker.die("killed by SIGKILL")
    assert request.answers == []


async def test_control_messages(make_worker: Any) -> None:
    worker = make_worker()
    worker.attach()
    worker.instance.has_warmed()
    worker.instance.stop()
    assert worker.links["control"].written == pack(WARMED) + pack(STOP)
    assert worker.instance.state is State.STOPPING


async def test_a_worker_loads_only_once(make_worker: Any) -> None:
    worker = make_worker()
    worker.attach()
    worker.instance.has_loaded(FACTS)
    worker.instance.has_failed("late")
    await asyncio.wait_for(worker.instance.loaded(), 1)


def times(in_turn: bool, *numbers: int) -> tuple[int, int, int, float, list[bytes]]:
    return TIMES, 0, int(in_turn), 0, 0.0, [RUN_TIMES.pack(*numbers)]


async def test_short_runs_let_requests_be_sent_ahead(make_worker: Any) -> None:
    worker = make_worker(threads=2)
    worker.attach()
    requests = [ARequest(b"x") for _ in range(2)]
    for request in requests:
        worker.instance.send(request)
    assert worker.instance.busy and not worker.instance.has_credit(1)
    worker.instance.replies([times(True, 1, 1, 10, 20, 30)])
    assert worker.instance.has_credit(1) and not worker.instance.has_credit(BULK_SIZE + 1)
    worker.instance.send(ARequest(b"x"))
    assert worker.instance.ahead == 1
    worker.instance.replies([times(False, 1, 1, 10, 600_000, 30)])
    assert not worker.instance.has_credit(1)


async def test_the_times_of_a_run_are_those_of_the_answers_after_it(make_worker: Any) -> None:
    worker = make_worker(threads=2)
    worker.attach()
    worker.instance.state = State.READY
    request = ARequest(b"x")
    request.began = request.submitted = monotonic()
    worker.instance.send(request)
    worker.instance.replies([times(True, 3, 1, 10, 20, 30)])
    worker.instance.replies([(REPLY, 0, codes.OK, request.number, 0.0, [b"y"])])
    assert request.times is not None and request.times[1:] == (0.00001, 0.00002, 0.00003)
    assert worker.metrics.batch_rows.rows == 3
    assert worker.metrics.steps["run"].seconds == pytest.approx(0.00002)
    assert len(worker.metrics.latency.noted) == 1


async def test_each_run_of_a_batch_counts_as_one(make_worker: Any) -> None:
    worker = make_worker(threads=2)
    worker.attach()
    worker.instance.state = State.READY
    runs = (2, 3), (1, 0), (1, 0)
    worker.instance.replies([times(True, *each, 10, 20, 30) for each in runs])
    rows = worker.metrics.batch_rows
    assert rows.rows == 4 and rows.counts[:3] == [2, 1, 0]
    assert worker.metrics.steps["run"].seconds == pytest.approx(0.00006)
    worker.instance.replies([times(True, 0, 1, 10, 20, 30)])
    assert sum(rows.counts) == 3
