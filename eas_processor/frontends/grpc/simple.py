"""Methods that the engine answers itself, with a function or a coroutine from bytes to bytes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from eas_processor.contracts.refusals import (
    BadRequest,
    DeadlineExceeded,
    InternalError,
    Refusal,
)
from eas_processor.frontends.grpc.http2.head import StreamHead
from eas_processor.frontends.grpc.http2.stream import Stream
from eas_processor.frontends.grpc.statuses import STATUSES, refusal_text
from eas_processor.link.codes import UNIMPLEMENTED

if TYPE_CHECKING:
    from eas_processor.frontends.grpc.http2.connection import Http2Connection

log = logging.getLogger("eas_processor.engine")

Handler = Callable[[bytes, StreamHead], bytes | Coroutine[Any, Any, bytes]]
"""Answers a message. Raises a Refusal to refuse it."""


class SimpleStream(Stream):
    """A call that a handler answers."""

    __slots__ = ()
    method: SimpleMethod

    def received(self, now: float) -> None:
        try:
            outcome = self.method.handler(b"".join(self.body), self.head)
        except Exception as error:
            self._fail(error)
            return
        if isinstance(outcome, bytes):
            self.respond([outcome])
        else:
            self.connection.server.spawn(self._finish(outcome))
            if self.deadline:
                asyncio.get_running_loop().call_later(self.deadline - now, self._be_late)

    def _be_late(self) -> None:
        """Refuse a call whose deadline has passed. Its handler continues."""
        if not self.answered:
            self.refuse(DeadlineExceeded("not answered within its deadline"))

    async def _finish(self, outcome: Coroutine[Any, Any, bytes]) -> None:
        try:
            answer = await outcome
        except Exception as error:
            self._fail(error)
        else:
            self.respond([answer])

    def _fail(self, error: Exception) -> None:
        if not isinstance(error, Refusal):
            log.error("answering a call failed", exc_info=error)
            error = InternalError("the engine failed; its log has the traceback")
        self.refuse(error)

    def refuse(self, refusal: Refusal) -> None:
        self.fail(STATUSES[refusal.code], refusal_text(refusal))


class SimpleMethod:
    """A method that `handler` answers."""

    def __init__(self, handler: Handler) -> None:
        self.handler = handler

    def open(
        self, connection: Http2Connection, stream_id: int, head: StreamHead, now: float
    ) -> Stream:
        return SimpleStream(self, connection, stream_id, head, now)


class _Unknown(BadRequest):
    """There is no such method."""

    code = UNIMPLEMENTED


class UnknownMethod(SimpleMethod):
    """Refuses calls of an unknown method."""

    def __init__(self, path: bytes) -> None:
        self._refusal = _Unknown(f"there is no method {path.decode(errors='replace')[:200]}")

    def open(
        self, connection: Http2Connection, stream_id: int, head: StreamHead, now: float
    ) -> Stream:
        stream = SimpleStream(self, connection, stream_id, head, now)
        stream.refusal = self._refusal
        return stream
