"""Methods for streams that no service answers. They end a stream without reading its messages."""

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
"""Keeps the connection from reading messages. The method itself decides the answer."""


class _UnservedStream(Stream):
    __slots__ = ()
    method: Unserved

    def refuse(self, refusal: Refusal) -> None:
        self.method.end(self)


class Unserved:
    """Ends every stream at once with `end`."""

    def __init__(self, end: Callable[[Stream], None]) -> None:
        self.end = end

    def open(
        self, connection: Http2Connection, stream_id: int, head: StreamHead, now: float
    ) -> Stream:
        stream = _UnservedStream(self, connection, stream_id, head, now)
        stream.refusal = _NOT_SERVED
        return stream


def http_only(status: int) -> Unserved:
    """Return a method that answers streams which are not calls of gRPC with an HTTP status."""
    return Unserved(lambda stream: stream.connection.sending.refuse_http(stream, status))


def bad_timeout() -> Unserved:
    """Return a method that refuses calls with an invalid grpc-timeout."""
    text = "grpc-timeout is invalid, expected 1 to 8 digits and one of H, M, S, m, u, n"
    return Unserved(lambda stream: stream.fail(_INTERNAL, text))
