"""Calls of `PredictionService` that a worker answers."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import NamedTuple, Protocol

from eas_processor.contracts.account import Account
from eas_processor.contracts.refusals import Refusal
from eas_processor.frontends.grpc.http2.connection import Http2Connection
from eas_processor.frontends.grpc.http2.head import StreamHead
from eas_processor.frontends.grpc.http2.stream import Stream
from eas_processor.frontends.grpc.statuses import STATUSES, refusal_text, shown
from eas_processor.frontends.grpc.wire import MalformedError
from eas_processor.frontends.tfs_counters import GRPC, ModelCounters
from eas_processor.frontends.tfs_statuses import STATUSES as HTTP_STATUSES
from eas_processor.frontends.tfs_statuses import name_of
from eas_processor.link.codes import CANCELLED, MODEL_FAULT, OK, PROCESSOR, unpack_status
from eas_processor.link.frames import BULK_SIZE
from eas_processor.serving.service import Service

_LEAST_LEFT_S = 0.001
"""The time limit of a call whose deadline has passed, because 0.0 means no limit."""


class Target(NamedTuple):
    """
    The version that a `model_spec` names, and the parts of its answers.

    `tail` is the `model_spec` of the answer. Protobuf allows it after all other fields.
    """

    service: Service
    counters: ModelCounters
    number: int
    tail: bytes


class Targets(Protocol):
    """Finds the version for a message."""

    def target(self, body: list[bytes], head: StreamHead) -> Target:
        """Return the version for a message. Raises Refusal."""


class CallMethod:
    """
    One method of `PredictionService`.

    `api` is its name in the counters, and `codec` the codec of its bodies. `complete` makes an
    answer from the worker's payload.
    """

    def __init__(
        self,
        targets: Targets,
        api: str,
        codec: int,
        complete: Callable[[list[bytes], Target], list[bytes]],
    ) -> None:
        self.targets = targets
        self.api = api
        self.codec = codec
        self.complete = complete

    def open(
        self, connection: Http2Connection, stream_id: int, head: StreamHead, now: float
    ) -> Stream:
        return PredictionCall(self, connection, stream_id, head, now)


class PredictionCall(Stream):
    """One call; its `target` is known once its message is complete."""

    __slots__ = ("target",)

    method: CallMethod

    def __init__(
        self,
        method: CallMethod,
        connection: Http2Connection,
        stream_id: int,
        head: StreamHead,
        now: float,
    ) -> None:
        Stream.__init__(self, method, connection, stream_id, head, now)
        self.codec = method.codec
        self.target: Target | None = None

    @property
    def account(self) -> Account | None:
        return None if self.target is None else self.target.service.account

    def received(self, now: float) -> None:
        method, size = self.method, self.size
        try:
            target = method.targets.target(self.body, self.head)
        except Refusal as refusal:
            self.refuse(refusal)
            return
        if size > BULK_SIZE:
            # From here on, the body is charged to the service's account.
            self.give_back()
        self.target = target
        # The message may have used most of the call's time to arrive.
        left = max(self.deadline - now, _LEAST_LEFT_S) if self.deadline else 0.0
        refusal_of_service = target.service.admit_own(self, size, left)
        if refusal_of_service is not None:
            self.target = None
            target.counters.requests[name_of(refusal_of_service.code)] += 1
            self.refuse(refusal_of_service)
            return
        if size > BULK_SIZE:
            self.charge(size)
        target.service.submit(self, now)

    def withdraw(self) -> None:
        if self.target is not None:
            service = self.target.service
            service.withdraw(self)
            service.metrics.codes[HTTP_STATUSES[CANCELLED]] += 1

    def answer(self, code: int, payload: list[bytes]) -> None:
        target = self.target
        assert target is not None
        if code != OK:
            self._fail(code, payload, target)
            return
        try:
            answer = self.method.complete(payload, target)
        except MalformedError as error:
            sentence = f"the answer of the processor cannot be read: {error}"
            self._fail(MODEL_FAULT, [sentence.encode()], target)
            return
        size = len(answer[0]) if len(answer) == 1 else sum(map(len, answer))
        budget = self.connection.budget
        if size > BULK_SIZE and not budget.make_fit(size, self.account):
            refusal = budget.answer_refusal(size, self.account)
            self._fail(refusal.code, [str(refusal).encode()], target)
            return
        target.service.end(self)
        target.service.metrics.codes[200] += 1
        target.counters.succeeded(self.method.api, GRPC, monotonic() - self.began)
        self.respond(answer)

    def refuse(self, refusal: Refusal) -> None:
        if self.target is None:
            self.connection.server.refused[HTTP_STATUSES[refusal.code]] += 1
        else:
            self._count(refusal.code, self.target)
        self.fail(STATUSES[refusal.code], refusal_text(refusal))

    def _fail(self, code: int, payload: list[bytes], target: Target) -> None:
        self._count(code, target)
        text = b"".join(payload)
        if code == PROCESSOR:
            status, text = unpack_status(text)
            text = b"the processor answered with status %d: %s" % (status, text)
        self.fail(STATUSES[code], shown(text))

    def _count(self, code: int, target: Target) -> None:
        target.service.end(self)
        target.service.metrics.codes[HTTP_STATUSES.get(code, 500)] += 1
        target.counters.requests[name_of(code)] += 1
