"""The inline link: hooks in the engine's process, behind the same admission."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import Any

import pytest
from fixtures.engine import ECHO

from eas_processor.contracts.call import Call
from eas_processor.errors import StartError, WarmUpError
from eas_processor.instances.inline import InlineInstances
from eas_processor.link import codes
from eas_processor.link.frames import BULK_SIZE, EAS_JSON
from eas_processor.serving.admission import Admission
from eas_processor.worker.hooks import Processor, import_hooks


class ARequest(Call):
    def __init__(self, body: bytes, kind: int | None = None) -> None:
        super().__init__()
        self.body = [body[:1], body[1:]]
        self.size = len(body)
        self.codec = self.codec if kind is None else kind
        self.deadline = monotonic() + 60
        self.answered: asyncio.Future[tuple[int, bytes]] = (
            asyncio.get_running_loop().create_future()
        )

    def answer(self, status: int, payload: list[bytes]) -> None:
        self.answered.set_result((status, b"".join(payload)))


async def started(settings: Any) -> Admission:
    admission = Admission(settings)
    supervisor = InlineInstances(
        settings, admission, lambda: Processor(import_hooks(ECHO), "/", "")
    )
    await supervisor.start()
    assert supervisor.info["info_code"] == 0
    return admission


def ask(admission: Admission, *requests: ARequest) -> list[asyncio.Future[tuple[int, bytes]]]:
    for request in requests:
        admission.begin(request)
        admission.submit(request, monotonic())
    return [request.answered for request in requests]


@pytest.mark.parametrize("batch_size", [1, 8])
async def test_requests_are_answered_in_the_process(service: Any, batch_size: int) -> None:
    admission = await started(service(batch_size=batch_size, max_queue_size=100))
    requests = [ARequest(b"%d" % number) for number in range(50)]
    requests += [ARequest(b"[1]", EAS_JSON), ARequest(b"refuse"), ARequest(b"fail")]
    *echoed, json, refused, failed = await asyncio.gather(*ask(admission, *requests))
    assert echoed == [(codes.OK, b"%d" % number) for number in range(50)]
    assert json == (codes.OK, b'{"echo": [1]}')
    assert (
        refused == (codes.PROCESSOR, codes.pack_status(400, b"refused as asked"))
        and failed[0] == codes.INTERNAL
    )
    rows = admission.metrics.batch_rows
    assert rows.rows == 53 and (sum(rows.counts) < 53) is (batch_size > 1)


async def test_each_run_of_a_batch_counts_as_one(
    service: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    admission = await started(service(batch_size=8, max_queue_size=100))
    monkeypatch.setattr(Processor, "take_times", lambda *_: ([2, 1], 0.0, 0.1, 0.0))
    await asyncio.gather(*ask(admission, *[ARequest(b"x") for _ in range(3)]))
    rows = admission.metrics.batch_rows
    assert rows.rows == 3 and rows.counts[:3] == [1, 1, 0]


async def test_large_bodies_run_alone(service: Any) -> None:
    admission = await started(service(batch_size=8, max_queue_size=100))
    large = b"x" * (BULK_SIZE + 1)
    bodies = [b"1", b"2", large, large, b"3", b"4"]
    answers = await asyncio.gather(*ask(admission, *map(ARequest, bodies)))
    assert [body for _, body in answers] == bodies
    rows = admission.metrics.batch_rows
    assert (rows.rows, sum(rows.counts)) == (6, 4)


async def test_the_queue_is_bounded(service: Any) -> None:
    admission = await started(service(threads=2, max_queue_size=3))
    answers = await asyncio.gather(*ask(admission, *[ARequest(b"x") for _ in range(8)]))
    assert sorted(status for status, _ in answers) == [codes.OK] * 5 + [codes.QUEUE_FULL] * 3


async def test_who_leaves_or_is_late_is_not_run(service: Any) -> None:
    admission = await started(service(threads=4))
    gone, late, stays = ARequest(b"gone"), ARequest(b"late"), ARequest(b"stays")
    late.deadline = monotonic() - 1
    ask(admission, gone, late, stays)
    admission.withdraw(gone)
    assert await stays.answered == (codes.OK, b"stays")
    assert (await late.answered)[0] == codes.DEADLINE_EXCEEDED and not gone.answered.done()
    assert admission.metrics.batch_rows.rows == 1


async def test_who_leaves_when_the_answer_is_on_its_way_costs_nobody_anything(
    service: Any,
) -> None:
    admission = await started(service(threads=3))

    class Last(ARequest):
        """A connection that ends with this answer, and leaves its other request behind."""

        def answer(self, status: int, payload: list[bytes]) -> None:
            super().answer(status, payload)
            admission.withdraw(left)

    for _ in range(4):  # once more than it may hold requests
        last, left, stays = Last(b"1"), ARequest(b"2"), ARequest(b"3")
        ask(admission, last, left, stays)
        assert await stays.answered == (codes.OK, b"3") and not left.answered.done()


async def test_the_loop_stays_awake_for_a_moment_after_an_answer(
    service: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    yields = []
    monkeypatch.setattr("eas_processor.instances.inline.os.sched_yield", lambda: yields.append(1))
    monkeypatch.setattr("eas_processor.instances.inline.usable_cores", lambda: 2)
    # A moment that a busy machine does not miss as a whole.
    monkeypatch.setattr("eas_processor.instances.inline._POLL_S", 0.05)
    admission = await started(service())
    await asyncio.gather(*ask(admission, ARequest(b"x")))
    await asyncio.sleep(0.2)
    looked = len(yields)
    await asyncio.sleep(0.2)
    assert 0 < looked == len(yields)


async def test_nobody_looks_out_on_a_single_core(
    service: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "eas_processor.instances.inline.os.sched_yield", lambda: pytest.fail("looked")
    )
    monkeypatch.setattr("eas_processor.instances.inline.usable_cores", lambda: 1)
    admission = await started(service())
    assert await asyncio.gather(*ask(admission, ARequest(b"x"))) == [(codes.OK, b"x")]


async def test_warm_up_is_told_in_the_log(service: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "eas_processor")
    await started(service(warm_up=(b"fine",)))
    assert "answered 1 warm-up request(s), each 5 times, in " in caplog.text


async def test_a_refused_warm_up_ends_the_start(service: Any) -> None:
    with pytest.raises(WarmUpError, match="request 2 of the file was refused with 400"):
        await started(service(warm_up=(b"fine", b"refuse")))


async def test_more_than_one_instance_is_refused(service: Any) -> None:
    with pytest.raises(StartError, match=r"set metadata\.instance to 1"):
        await started(service(instances=2))
