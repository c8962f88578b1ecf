"""The inline link: the hooks run in the engine's own process, on the thread of its loop."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from time import monotonic, perf_counter
from typing import Any, Protocol

from eas_processor.contracts.call import Request
from eas_processor.contracts.settings import ServiceSettings
from eas_processor.errors import StartError
from eas_processor.instances.instance import Instance, State
from eas_processor.instances.warm_up import ROUNDS, refused
from eas_processor.link.codes import CANCELLED, DEADLINE_EXCEEDED, OK
from eas_processor.link.frames import ARRAY_PROTO, BULK_SIZE, REPLY, RUN_TIMES, TIMES, Frame
from eas_processor.serving.admission import Admission
from eas_processor.serving.background import apart
from eas_processor.worker.hooks import info_facts
from eas_processor.worker.look_out import usable_cores

# Requests that are run one by one are answered together while that takes no longer than this: a
# client that wakes for each answer takes the caches. 6,400 requests/s became 9,400.
_HOLD_BACK_S = 0.00025
_LOOK_OUT_S = 0.0002
_FEW = 8
_EXPIRED = DEADLINE_EXCEEDED, b"the request's deadline passed before it was run"


class Hooks(Protocol):
    """What an inline instance calls: the worker's `Processor`."""

    def describe(self) -> tuple[int, bytes]: ...
    def process(self, request: Any) -> tuple[int, bytes]: ...
    def process_json(self, request: Any) -> tuple[int, bytes]: ...
    def batch_process(self, requests: list[Any]) -> list[tuple[int, bytes]]: ...
    def take_times(self, requests: int, seconds: float) -> tuple[int, float, float, float]: ...


class InlineInstance(Instance):
    """
    An instance without a worker: it runs what it was sent when the loop has read all that arrived.

    While a run lasts nothing else happens in the engine.
    """

    def __init__(self, settings: ServiceSettings, admission: Admission, hooks: Hooks) -> None:
        super().__init__(1, settings, admission.refill, lambda *_: None, admission.metrics)
        self._hooks = hooks
        self._batch_size = settings.worker.batch_size
        self._sent: deque[Request] = deque()
        self._has_a_core = usable_cores() > 1
        self._looks_out = False
        self._look_out_until = 0.0

    def send(self, request: Request) -> None:
        """Take a request, to be run after the next `flush`."""
        request.instance = self
        self.held[request.number] = request
        if request.size > BULK_SIZE:
            self._held_bytes += request.size
        self._sent.append(request)

    def flush(self) -> None:
        """Have what was sent run in the next turn of the loop."""
        if self._sent and not self._flush_due:
            self._flush_due = True
            self._loop.call_soon(self._run)

    flush_soon = flush

    def cancel(self, request: Request) -> None:
        """Forget a request that nobody waits for, unless its answer is on the way already."""
        request.instance = None
        request.body = []
        if request in self._sent:
            self._sent.remove(request)
            self.replies([(REPLY, 0, CANCELLED, request.number, 0.0, [])])

    def _run(self) -> None:
        self._flush_due = False
        frames: list[Frame] = []
        end = monotonic() + _HOLD_BACK_S
        self._run_next(frames)
        while self._sent and monotonic() < end:
            self._run_next(frames)
        self.replies(frames)
        self.flush()
        self._look_out_until = monotonic() + _LOOK_OUT_S
        if self._has_a_core and not self._looks_out:
            self._look_out()

    def _look_out(self) -> None:
        """Keep the loop from sleeping for a moment: the worker's `look_out` has the reasons."""
        self._looks_out = len(self.held) <= _FEW and monotonic() < self._look_out_until
        if self._looks_out:
            os.sched_yield()
            self._loop.call_soon(self._look_out)

    def _run_next(self, frames: list[Frame]) -> None:
        """Run the next request, or batch, and add the answers to `frames`."""
        batch: list[Request] = []
        now = monotonic()
        while self._sent and len(batch) < self._batch_size:
            if batch and self._sent[0].size > BULK_SIZE:
                break  # a large one runs alone, as in a worker: joining copies it once more
            request = self._sent.popleft()
            if request.deadline and now > request.deadline:
                code, text = _EXPIRED
                frames.append((REPLY, 0, code, request.number, 0.0, [text]))
            else:
                batch.append(request)
                if request.size > BULK_SIZE:
                    break
        if batch:
            frames += self._answer(batch)

    def _answer(self, batch: list[Request]) -> list[Frame]:
        start = perf_counter()
        joined = [_body(each) for each in batch if each.codec == ARRAY_PROTO]
        answers = iter(self._hooks.batch_process(joined) if joined else ())
        replies: list[Frame] = []
        for each in batch:
            if each.codec == ARRAY_PROTO:
                code, payload = next(answers)
            else:
                code, payload = self._hooks.process_json(_body(each))
            replies.append((REPLY, 0, code, each.number, 0.0, [payload]))
        rows, *seconds = self._hooks.take_times(len(batch), perf_counter() - start)
        micro = (min(int(part * 1e6), 0xFFFFFFFF) for part in seconds)
        return [(TIMES, 0, 0, 0, 0.0, [RUN_TIMES.pack(rows, len(batch), *micro)]), *replies]


class InlineSupervisor:
    """The one instance of a service whose hooks `load` returns; it raises StartError."""

    def __init__(
        self, settings: ServiceSettings, admission: Admission, load: Callable[[], Hooks]
    ) -> None:
        self._settings = settings
        self._admission = admission
        self._load = load
        self.info: dict[str, Any] = {}
        self.instances: list[Instance] = []

    async def start(self) -> None:
        """Load and warm up the model. Raises StartError or WarmUpError."""
        if self._settings.instances != 1:
            raise StartError(
                f"metadata.instance is {self._settings.instances}: --inline runs 1 instance, "
                "inside the engine; leave one of the two out"
            )
        hooks = await apart(self._prepare)
        instance = InlineInstance(self._settings, self._admission, hooks)
        self.info = info_facts(*hooks.describe())
        instance.info = self.info
        instance.state = State.READY
        instance.pid = os.getpid()
        self.instances = [instance]
        self._admission.instance_ready(instance)

    async def stop(self) -> None:
        """Do nothing: the model ends with the process."""

    def _prepare(self) -> Hooks:
        hooks = self._load()
        for number, body in enumerate(self._settings.warm_up, 1):
            for _ in range(ROUNDS):
                code, payload = hooks.process(body)
                if code != OK:
                    raise refused(number, code, payload)
        hooks.take_times(0, 0.0)
        return hooks


def _body(request: Request) -> bytes:
    body = request.body
    return body[0] if len(body) == 1 else b"".join(body)
