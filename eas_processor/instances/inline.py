"""The inline instance: the hooks run in the engine's own process, on the event loop's thread."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Callable, Sequence
from time import monotonic, perf_counter
from typing import Any, NamedTuple, Protocol

from eas_processor.contracts.backend import State
from eas_processor.contracts.call import Call
from eas_processor.contracts.settings import ServiceSettings
from eas_processor.errors import StartError, UpdateError
from eas_processor.instances.instance import BYTE_CREDIT
from eas_processor.instances.profiling import NoProfiler
from eas_processor.instances.warm_up import ROUNDS, WarmUpTimes, codec_of, refused
from eas_processor.link.codes import DEADLINE_EXCEEDED, OK
from eas_processor.link.frames import ARRAY_PROTO, BULK_SIZE
from eas_processor.serving.admission import Admission
from eas_processor.serving.background import in_background
from eas_processor.worker.hooks import info_facts
from eas_processor.worker.polling import usable_cores

# Answers of requests that run one by one are collected for this long, because a client that wakes
# for each answer evicts the model from the caches.
# The figures are in docs/decisions/sending-in-bursts.md and docs/decisions/inline.md.
_HOLD_BACK_S = 0.00025
_POLL_S = 0.0002
_FEW = 8
_NO_TIMES = 0.0, 0.0, 0.0
_EXPIRED = DEADLINE_EXCEEDED, b"the request's deadline passed before it was run"


class _Run(NamedTuple):
    """Calls that ran together, their answers, and the seconds of decoding, running and encoding."""

    calls: list[Call]
    answers: list[tuple[int, bytes]]
    times: tuple[float, float, float]


class Hooks(Protocol):
    """The interface of the worker's `Processor` that an inline instance calls."""

    def describe(self) -> tuple[int, bytes]: ...
    def metadata(self) -> str: ...
    def process(self, request: Any, codec: int = ARRAY_PROTO) -> tuple[int, bytes]: ...
    def batch_process(
        self, requests: list[Any], codecs: Sequence[int]
    ) -> list[tuple[int, bytes]]: ...
    def take_times(
        self, requests: int, seconds: float
    ) -> tuple[Sequence[int], float, float, float]: ...


class InlineInstance:
    """
    An instance without a worker. It runs calls after the loop has read everything that arrived.

    A run blocks the whole engine.
    """

    number = 1
    ahead = 0

    def __init__(self, settings: ServiceSettings, admission: Admission, hooks: Hooks) -> None:
        self.settings = settings
        self.state = State.READY
        self.profiler = NoProfiler()
        self.pid = os.getpid()
        self.held: dict[int, Call] = {}
        self._admission = admission
        self._metrics = admission.metrics
        self._hooks = hooks
        self._credit = settings.credit
        self._held_bytes = 0
        self._batch_size = settings.worker.batch_size
        self._sent: deque[Call] = deque()
        self._loop = asyncio.get_running_loop()
        self._run_due = False
        self._has_a_core = usable_cores() > 1
        self._polls = False
        self._poll_until = 0.0

    @property
    def busy(self) -> bool:
        """Whether it already holds as many calls as it runs at a time."""
        return len(self.held) >= self._credit

    def has_credit(self, size: int) -> bool:
        """Whether a call of `size` bytes may be sent to it now."""
        if len(self.held) >= self._credit:
            return False
        held = self._held_bytes
        return size <= BULK_SIZE or not held or held + size <= BYTE_CREDIT

    def send(self, call: Call) -> None:
        """Take a call, which runs after the next `flush`."""
        call.instance = self
        self.held[call.number] = call
        if call.size > BULK_SIZE:
            self._held_bytes += call.size
        self._sent.append(call)

    def flush(self) -> None:
        """Run the calls that were sent in the next turn of the event loop."""
        if self._sent and not self._run_due:
            self._run_due = True
            self._loop.call_soon(self._run)

    flush_soon = flush

    def cancel(self, call: Call) -> None:
        """Drop a call that nobody waits for, unless it has already run."""
        call.instance = None
        call.body = []
        if call in self._sent:
            self._sent.remove(call)
            self._release(call)
            self._admission.refill(self)

    def serve(self) -> None:
        """Take calls from now on."""

    def isolate(self, on_credit: Callable[[Any], None]) -> None:
        """Raise: only a worker's death leaves calls to be retried alone, and this has no worker."""
        raise NotImplementedError

    def _run(self) -> None:
        self._run_due = False
        runs: list[_Run] = []
        end = monotonic() + _HOLD_BACK_S
        self._run_next(runs)
        while self._sent and monotonic() < end:
            self._run_next(runs)
        self._deliver(runs)
        self.flush()
        self._poll_until = monotonic() + _POLL_S
        if self._has_a_core and not self._polls:
            self._poll()

    def _poll(self) -> None:
        """Keep the event loop from blocking for a moment. `worker.polling` has the reasons."""
        self._polls = len(self.held) <= _FEW and monotonic() < self._poll_until
        if self._polls:
            os.sched_yield()
            self._loop.call_soon(self._poll)

    def _run_next(self, runs: list[_Run]) -> None:
        """Run the next call or batch, and append it to `runs`."""
        batch: list[Call] = []
        now = monotonic()
        while self._sent and len(batch) < self._batch_size:
            if batch and self._sent[0].size > BULK_SIZE:
                break  # a large call runs alone, as in a worker: joining would copy it once more
            call = self._sent.popleft()
            if call.deadline and now > call.deadline:
                runs.append(_Run([call], [_EXPIRED], _NO_TIMES))
            else:
                batch.append(call)
                if call.size > BULK_SIZE:
                    break
        if batch:
            runs.append(self._run_batch(batch))

    def _run_batch(self, batch: list[Call]) -> _Run:
        start = perf_counter()
        answers = self._answers(batch)
        rows, *times = self._hooks.take_times(len(batch), perf_counter() - start)
        decode, run, encode = times
        for each in rows:
            self._metrics.batch_rows.add(each)
        for step, seconds in zip(("decode", "run", "encode"), times, strict=True):
            self._metrics.steps[step].add(seconds, len(batch))
        return _Run(batch, answers, (decode, run, encode))

    def _answers(self, batch: list[Call]) -> list[tuple[int, bytes]]:
        return self._hooks.batch_process(
            [_body(each) for each in batch], [each.codec for each in batch]
        )

    def _deliver(self, runs: list[_Run]) -> None:
        """Pass the answers to their calls, then take calls from the queue."""
        now = monotonic()
        answered = 0
        for calls, answers, times in runs:
            worked = sum(times)
            for call, (code, payload) in zip(calls, answers, strict=True):
                self._release(call)
                if call.instance is self:
                    call.instance = None
                    if call.submitted:
                        answered += 1
                        queued = now - call.submitted - worked
                        self._metrics.steps["queue"].noted.append(queued)
                        self._metrics.latency.noted.append(now - call.began)
                        call.times = queued, *times
                    call.answer(code, [payload])
        if answered:
            self._metrics.steps["send"].add(monotonic() - now, answered)
            self._metrics.settle()
        self._admission.refill(self)

    def _release(self, call: Call) -> None:
        del self.held[call.number]
        if call.size > BULK_SIZE:
            self._held_bytes -= call.size


class InlineInstances:
    """The only instance of an inline service. `load` returns its hooks or raises StartError."""

    def __init__(
        self, settings: ServiceSettings, admission: Admission, load: Callable[[], Hooks]
    ) -> None:
        self._settings = settings
        self._admission = admission
        self._load = load
        self.info: dict[str, Any] = {}
        self.instances: list[InlineInstance] = []
        self.dead: list[dict[str, Any]] = []

    async def start(self) -> None:
        """Load and warm up the model. Raises StartError or WarmUpError."""
        if self._settings.instances != 1:
            raise StartError(
                f"metadata.instance is {self._settings.instances}, but --inline runs 1 instance "
                "inside the engine; set metadata.instance to 1 or leave out --inline"
            )
        hooks = await in_background(self._prepare)
        instance = InlineInstance(self._settings, self._admission, hooks)
        self.info = dict(info_facts(*hooks.describe()), metadata=hooks.metadata())
        self.instances = [instance]
        self._admission.instance_ready(instance)

    async def stop(self) -> None:
        """Do nothing: the model ends with the process."""

    async def change(self, before: ServiceSettings, after: ServiceSettings) -> bool:
        """Raise UpdateError: the model ends with the process."""
        raise UpdateError("an inline service cannot be changed while it runs; restart the engine")

    def _prepare(self) -> Hooks:
        hooks = self._load()
        times = WarmUpTimes(len(self._settings.warm_up))
        for number, body in enumerate(self._settings.warm_up, 1):
            for _ in range(ROUNDS):
                code, payload = hooks.process(body, codec_of(body))
                if code != OK:
                    raise refused(number, code, payload)
                times.note()
        times.log_summary(self._settings.name)
        hooks.take_times(0, 0.0)
        return hooks


def _body(request: Call) -> bytes:
    body = request.body
    return body[0] if len(body) == 1 else b"".join(body)
