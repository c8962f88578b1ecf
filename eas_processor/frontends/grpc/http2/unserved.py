"""Streams that no service answers: they are ended whatever their messages are."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from eas_processor.contracts.refusals import BadRequest, Refusal
from eas_processor.frontends.grpc.http2.head import StreamHead
from eas_processor.frontends.grpc.http2.stream import Stream

if TYPE_CHECKING:
    from eas_processor.frontends.grpc.http2.connection import Http2Connection

_INTERNAL = 13
_NOT_SERVED = BadRequest("no service answers this")
"""Has the connection read no message; what the client is told is the method's to say."""


class _UnservedStream(Stream):
    __slots__ = ()
    method: Unserved

    def refuse(self, refusal: Refusal) -> None:
        self.method.end(self)


class Unserved:
    """Ends every stream with `end`, at once."""

    def __init__(self, end: Callable[[Stream], None]) -> None:
        self.end = end

    def open(
        self, connection: Http2Connection, stream_id: int, head: StreamHead, now: float
    ) -> Stream:
        stream = _UnservedStream(self, connection, stream_id, head, now)
        stream.refusal = _NOT_SERVED
        return stream


def http_only(status: int) -> Unserved:
    """Return what answers something that is no call of gRPC with a status of HTTP."""
    return Unserved(lambda stream: stream.connection.sending.refuse_http(stream, status))


def bad_timeout() -> Unserved:
    """Return what refuses calls whose grpc-timeout is none."""
    text = "grpc-timeout is 1 to 8 digits and one of H, M, S, m, u, n"
    return Unserved(lambda stream: stream.fail(_INTERNAL, text))
