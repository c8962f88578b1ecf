"""Streams that no service answers: they are refused whatever their messages are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eas_processor.contracts.refusals import BadRequest, Refusal
from eas_processor.frontends.grpc.http2.head import StreamHead
from eas_processor.frontends.grpc.http2.stream import Stream

if TYPE_CHECKING:
    from eas_processor.frontends.grpc.http2.connection import Http2Connection

_INTERNAL = 13


class _HttpStream(Stream):
    __slots__ = ()
    method: HttpOnly

    def refuse(self, refusal: Refusal) -> None:
        self.connection.sending.refuse_http(self, self.method.status)


class HttpOnly:
    """Answers what is no call of gRPC with a status of HTTP."""

    def __init__(self, status: int) -> None:
        self.status = status

    def open(
        self, connection: Http2Connection, stream_id: int, head: StreamHead, now: float
    ) -> Stream:
        stream = _HttpStream(self, connection, stream_id, head, now)
        stream.refusal = BadRequest("not a call of gRPC")
        return stream


class _BadTimeoutStream(Stream):
    __slots__ = ()

    def refuse(self, refusal: Refusal) -> None:
        self.fail(_INTERNAL, str(refusal))


class BadTimeout:
    """Refuses a call whose grpc-timeout is none."""

    def open(
        self, connection: Http2Connection, stream_id: int, head: StreamHead, now: float
    ) -> Stream:
        stream = _BadTimeoutStream(self, connection, stream_id, head, now)
        stream.refusal = BadRequest("grpc-timeout is 1 to 8 digits and one of H, M, S, m, u, n")
        return stream
