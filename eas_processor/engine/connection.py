"""One HTTP/1.1 connection: bytes parsed into requests, answers written in the order of the requests."""

from __future__ import annotations

import asyncio
from collections import deque
from time import monotonic
from typing import TYPE_CHECKING, cast

import httptools

from eas_processor.engine.heads import BYTES, CONTINUE, JSON, TEXT
from eas_processor.engine.request import Request
from eas_processor.engine.router import Endpoint
from eas_processor.errors import (
    BadRequest,
    BodyTooLarge,
    DeadlineExceeded,
    HeadersTooLarge,
    RequestError,
)
from eas_processor.link.frames import BULK_SIZE

if TYPE_CHECKING:
    from eas_processor.engine.server import HttpServer

_READ_AWAY = 1024 * 1024
"""A refused body up to this size is read to its end, so that the connection stays usable."""
_LINGER_S = 2.0
_MAX_PIPELINED = 32


class HttpRequest(Request):
    """A request with the connection that its answer goes to; `endpoint` is None for one that is refused."""

    __slots__ = ("connection", "endpoint", "keep_alive", "old", "reply")

    def __init__(self, connection: HttpConnection, *, keep_alive: bool, old: bool) -> None:
        super().__init__()
        self.connection = connection
        self.endpoint: Endpoint | None = None
        self.keep_alive = keep_alive
        self.old = old
        self.reply: list[bytes] | None = None

    def answer(self, status: int, payload: list[bytes]) -> None:
        if self.endpoint is not None:
            self.endpoint.admission.end(self)
        self.body = []
        if status == 408:
            self.keep_alive = False
        self.connection.reply(self, status, BYTES if status == 200 else TEXT, payload)


class HttpConnection(asyncio.Protocol):
    """
    The protocol of one client's connection.

    httptools calls, in this order, on_message_begin, on_url, on_header, on_headers_complete, on_body and
    on_message_complete. A body that does not arrive with its head bypasses the parser: its pieces are kept as received.
    """

    def __init__(self, server: HttpServer) -> None:
        # For the life of the connection
        self._server = server
        self._transport: asyncio.Transport
        self._parser = httptools.HttpRequestParser(self)
        self._pipeline: deque[HttpRequest] = deque()
        self._closing = False
        self._reading = True
        # For the request that is arriving
        self._request: HttpRequest | None = None
        self._refusal: RequestError | None = None
        self._finish = self._predict
        self._target = b""
        self._headers: dict[bytes, bytes] = {}
        self._in_head = False
        self._head_size = 0
        self._bypass = 0
        self.since = monotonic()
        """When the connection last began to wait: for a request, or for the rest of a head."""

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._server.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._closing = True
        self._server.connections.discard(self)
        for request in self._pipeline:
            if request.endpoint is not None and request.reply is None:
                request.endpoint.admission.withdraw(request)
        self._pipeline.clear()

    def data_received(self, data: bytes) -> None:
        if self._closing:
            return
        if self._bypass:
            data = self._receive_body(data)
            if not data:
                return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            # HTTP/2 over clear text is offered by some clients (Java's among them) and may be ignored.
            self._parser = httptools.HttpRequestParser(self)
            if rest := data[upgrade.args[0] :]:
                self.data_received(rest)
            return
        except httptools.HttpParserError as error:
            self._refuse_unparsed(BadRequest(f"the request is not valid HTTP/1.1: {error}"))
            return
        if self._in_head:
            self._head_size += len(data)
            if self._head_size > self._server.settings.max_head:
                self._refuse_unparsed(self._too_large_head())
        elif self._request is not None and self._bypass:
            self._parser = httptools.HttpRequestParser(self)

    def pause_writing(self) -> None:
        self._hold_reading()

    def resume_writing(self) -> None:
        self._release_reading()

    # httptools' side

    def on_message_begin(self) -> None:
        self._in_head = True
        self._head_size = 0
        self._target = b""
        self._headers = {}
        self.since = monotonic()

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        self._in_head = False
        if self._closing:
            return
        parser = self._parser
        request = HttpRequest(
            self, keep_alive=parser.should_keep_alive(), old=parser.get_http_version() == "1.0"
        )
        self._request = request
        self._pipeline.append(request)
        if len(self._pipeline) > _MAX_PIPELINED:
            self._hold_reading()
        length = int(self._headers.get(b"content-length", 0))
        self._refusal = self._route(request, parser.get_method(), length)
        if self._refusal is None:
            if b"expect" in self._headers and len(self._pipeline) == 1:
                self._transport.write(CONTINUE)
        elif (
            length > _READ_AWAY
            or b"expect" in self._headers
            or b"transfer-encoding" in self._headers
        ):
            self._refuse_now()
        if length and not self._closing:
            self._bypass = length

    def on_body(self, data: bytes) -> None:
        if self._closing:
            return
        if self._bypass:
            self._bypass -= len(data)
        self._take_body(data)

    def on_message_complete(self) -> None:
        request, self._request = self._request, None
        self.since = monotonic()
        if self._closing or request is None:
            return
        if self._refusal is not None:
            request.answer(self._refusal.status, [str(self._refusal).encode()])
        elif request.reply is None:
            self._finish(request)

    # A request's way

    def _route(self, request: HttpRequest, method: bytes, length: int) -> RequestError | None:
        """Find out what is to be done with the request; return why it is refused, if it is."""
        target = self._target
        if not target.startswith(b"/"):
            target = httptools.parse_url(target).path or b"/"
        path = target.partition(b"?")[0]
        if self._server.router.health(path) is not None:
            self._finish = self._answer_health
            return None
        endpoint = self._server.router.find(method, path)
        if isinstance(endpoint, RequestError):
            return endpoint
        if refusal := endpoint.auth.refusal(method, target, self._headers):
            return refusal
        if length > self._server.settings.max_body:
            return self._too_large_body()
        if length > BULK_SIZE and (refusal := endpoint.admission.refusal()):
            return refusal
        request.endpoint = endpoint
        request.deadline = self.since + endpoint.settings.keepalive
        endpoint.admission.begin(request)
        self._finish = self._describe if method == b"GET" else self._predict
        return None

    def _receive_body(self, data: bytes) -> bytes:
        """Take body bytes past the parser; return what follows the body."""
        part = data[: self._bypass]
        self._bypass -= len(part)
        self._take_body(part)
        if not self._bypass:
            self.on_message_complete()
        return data[len(part) :]

    def _take_body(self, data: bytes) -> None:
        request = self._request
        if request is None or self._refusal is not None or request.reply is not None:
            return
        request.body.append(data)
        request.size += len(data)
        if request.size > self._server.settings.max_body:
            self._refusal = self._too_large_body()
            self._refuse_now()

    def _predict(self, request: HttpRequest) -> None:
        if request.size:
            cast("Endpoint", request.endpoint).admission.submit(request)
        else:
            self._describe(request)

    def _describe(self, request: HttpRequest) -> None:
        endpoint = cast("Endpoint", request.endpoint)
        endpoint.admission.end(request)
        status, text = endpoint.describe()
        self.reply(request, status, JSON if status == 200 else TEXT, [text])

    def _answer_health(self, request: HttpRequest) -> None:
        path = self._target.partition(b"?")[0]
        status, text = self._server.router.health(path) or (404, b"")
        self.reply(request, status, TEXT, [text])

    # Answers

    def reply(
        self, request: HttpRequest, status: int, content_type: bytes, payload: list[bytes]
    ) -> None:
        """Write an answer as soon as those before it are written."""
        if self._closing:
            return
        if self._server.draining:
            request.keep_alive = False
        head = self._server.heads.build(
            status,
            content_type,
            sum(map(len, payload)),
            keep_alive=request.keep_alive,
            old=request.old,
        )
        request.reply = [head, *payload]
        while self._pipeline and (reply := self._pipeline[0].reply) is not None:
            first = self._pipeline.popleft()
            self._transport.writelines(reply)
            if not first.keep_alive:
                self._close(linger=first is self._request)
                return
        if not self._reading and len(self._pipeline) <= _MAX_PIPELINED:
            self._release_reading()

    def close_if_idle(self) -> None:
        """Close the connection if nothing is asked of it now."""
        if not self._pipeline and not self._in_head:
            self._close(linger=False)

    def abort(self) -> None:
        """Close the connection whatever it is doing."""
        self._transport.abort()

    def check_time(self, now: float) -> None:
        """Close the connection if it has waited too long for the client."""
        if self._pipeline or self._closing:
            return
        settings = self._server.settings
        if self._in_head and now - self.since > settings.head_timeout:
            self._refuse_unparsed(
                DeadlineExceeded(
                    f"the head of the request took more than {settings.head_timeout:.0f} s"
                )
            )
        elif not self._in_head and now - self.since > settings.idle_timeout:
            self._close(linger=False)

    def _refuse_now(self) -> None:
        """Answer a refused request before its body has arrived; the rest is read away for a moment."""
        request, refusal = self._request, self._refusal
        if request is not None and refusal is not None:
            request.keep_alive = False
            request.answer(refusal.status, [str(refusal).encode()])

    def _refuse_unparsed(self, refusal: RequestError) -> None:
        """Answer bytes that are not a request, or not one that may be read to its end."""
        request = self._request
        if request is None:
            request = HttpRequest(self, keep_alive=False, old=False)
            self._pipeline.append(request)
        self._in_head = False
        self._request, self._refusal = request, refusal
        self._refuse_now()

    def _close(self, *, linger: bool) -> None:
        self._closing = True
        if not linger:
            self._transport.close()
            return
        # Closing with unread bytes in the socket sends a reset, which can overtake the answer: half-close first.
        if self._transport.can_write_eof():
            self._transport.write_eof()
        asyncio.get_running_loop().call_later(_LINGER_S, self._transport.abort)

    def _hold_reading(self) -> None:
        if self._reading and not self._transport.is_closing():
            self._reading = False
            self._transport.pause_reading()

    def _release_reading(self) -> None:
        if not self._reading and not self._transport.is_closing():
            self._reading = True
            self._transport.resume_reading()

    def _too_large_body(self) -> BodyTooLarge:
        return BodyTooLarge(
            f"the body is larger than {self._server.settings.max_body} bytes, the most taken here"
        )

    def _too_large_head(self) -> HeadersTooLarge:
        return HeadersTooLarge(
            f"the head of the request is larger than {self._server.settings.max_head} bytes"
        )
