"""One HTTP/1.1 connection: bytes into requests."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, cast

import httptools

from eas_processor.contracts.counters import TEXT_FORMAT
from eas_processor.contracts.refusals import (
    BadRequest,
    BodyTooLarge,
    InternalError,
    NotReady,
    Refusal,
)
from eas_processor.frontends.discovery import asked_for, own_peer
from eas_processor.frontends.eas.routes import METRICS
from eas_processor.frontends.eas.token_check import token_refusal
from eas_processor.frontends.http import checks
from eas_processor.frontends.http.answers import MAX_PIPELINED, Answering
from eas_processor.frontends.http.heads import CONTINUE, JSON, TEXT
from eas_processor.frontends.http.inflate import Inflater
from eas_processor.frontends.http.known_head import KnownHead, learn
from eas_processor.frontends.http.request import HttpRequest
from eas_processor.link.frames import BULK_SIZE, EAS_JSON

if TYPE_CHECKING:
    from eas_processor.frontends.http.server import HttpServer
    from eas_processor.serving.service import Service

log = logging.getLogger("eas_processor.engine")

_READ_AWAY = 1024 * 1024
"""A refused body up to this size is read to its end, so that the connection stays usable."""
_SMALL_PIECE = 4096
"""Pieces of a body below this are joined: a list of single bytes takes 8 times their memory."""
_PARSED_AT_ONCE = 8192
_REFUSED_AT_ONCE = 64
"""Connections over the limit that are told why; each holds a descriptor for up to 2 s."""
_CHUNK_LINE = 12
"""What a chunk has around its bytes: up to 8 digits of a length and two line ends."""


class HttpConnection(Answering):
    """
    The protocol of one client's connection.

    httptools calls, in this order, on_message_begin, on_url, on_header, on_headers_complete,
    on_body and on_message_complete. The part of a body that does not arrive together with its head
    bypasses the parser: its pieces are kept as received.
    """

    def __init__(self, server: HttpServer) -> None:
        super().__init__(server)
        self._parser = httptools.HttpRequestParser(self)
        # For the request that is arriving
        self._target = b""
        self._headers: dict[bytes, bytes] = {}
        self._known: KnownHead | None = None
        self._to_learn = b""
        """What was received, while its first head may be worth to be known again."""
        self._head_size = 0
        """Bytes received while the head was not complete."""
        self._field_size = 0
        """Bytes of the head's names and values."""
        self._missing = 0
        """Body bytes that have not arrived yet, when Content-Length says how many there are."""
        self._framing = 0
        """Bytes behind the head that are not body: chunk lines, extensions and trailers."""

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self.since = monotonic()  # a TLS handshake lies between the beginning and this
        connections, limit = self._server.connections, self._server.settings.max_connections
        connections.add(self)
        if len(connections) > limit + _REFUSED_AT_ONCE:
            self.abort()
        elif len(connections) > limit:
            self._refuse_unparsed(
                NotReady(f"{limit} connections are open, the most that are taken here")
            )

    def connection_lost(self, exc: Exception | None) -> None:
        self._closing = self._deaf = True
        self._server.connections.discard(self)
        self._withdraw_requests()
        self._server.budget.note_unread(self, 0)
        # The parser and a known head hold us: they would wait for the garbage collector.
        self._known = self._request = None
        del self._parser

    def data_received(self, data: bytes) -> None:
        known = self._known
        if (
            known is not None
            and len(data) == known.size
            and self._reading
            and not self._deaf
            and self._is_next(known, data)
        ):
            self._take_whole(known, data)
        else:
            self._take_pieces(data)

    def _take_pieces(self, data: bytes) -> None:
        while data and self._reading and not self._deaf:
            known = self._known
            if self._missing:
                data = self._receive_body(data)
            elif known and self._is_next(known, data):
                data = self._take_known(known, data)
            else:
                data = self._parse(data)
        if data and not self._deaf:
            self._held_back += data

    # httptools' side

    def on_message_begin(self) -> None:
        self._in_head = True
        self._head_size = 0
        self._field_size = 0
        self._target = b""
        self._headers = {}
        self.since = monotonic()

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:  # else it is a trailer
            self._field_size += len(name) + len(value)
            name = name.lower()
            if name in self._headers and name in checks.SINGLE:
                self._headers[checks.REPEATED] = name
            # The parser takes away the whitespace before a value, and leaves what is behind it.
            self._headers[name] = value.rstrip()

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._framing = 0
        # Only the head that the piece begins with, whatever becomes of its request.
        to_learn, self._to_learn = self._to_learn, b""
        if self._deaf:
            return
        parser, headers = self._parser, self._headers
        version = parser.get_http_version()
        self._request = request = HttpRequest(
            self,
            parser.get_method(),
            self._target,
            headers,
            keep_alive=parser.should_keep_alive(),
            old=version == "1.0",
        )
        self._pipeline.append(request)
        if len(self._pipeline) > MAX_PIPELINED:
            self._read_or_hold()
        refusal = checks.malformed(version, self._target, headers)
        if self._field_size > self._server.settings.max_head:
            refusal = checks.head_too_large(self._server.settings.max_head)
        if refusal is not None:
            self._refuse_now(request, refusal)
            return
        self._missing = length = int(headers.get(b"content-length", 0))
        request.refusal = self._admit(request, length)
        if request.refusal is None:
            if to_learn:
                self._known = learn(to_learn, request, headers, self._server.router)
            if b"expect" in headers and len(self._pipeline) == 1 and not request.old:
                self._transport.write(CONTINUE)
        elif length > _READ_AWAY or b"expect" in headers or b"transfer-encoding" in headers:
            self._refuse_now(request, request.refusal)

    def on_chunk_header(self) -> None:
        self._framing -= _CHUNK_LINE

    def on_body(self, data: bytes) -> None:
        if self._missing:
            self._missing -= len(data)
        self._framing -= len(data)
        self._keep(data)

    def on_message_complete(self) -> None:
        # To the parser, a request that offers an upgrade ends with its head.
        if self._deaf or self._missing:
            return
        request, self._request = self._request, None
        if request is None:
            return
        self.since = monotonic()
        self._deaf = not request.keep_alive
        if request.inflater is not None and request.inflater.pending:
            request.inflater.whole = True
        elif request.reply is None:
            self._respond(request)

    # A request's way

    def _parse(self, data: bytes) -> bytes:
        """Feed the parser; return what it has left over, or was not given."""
        # A piece of this size has at most a hundred requests in it, and only between two pieces can
        # there be a stop.
        data, rest = data[:_PARSED_AT_ONCE], data[_PARSED_AT_ONCE:]
        # on_message_begin sets it to 0 again: the piece that a head begins in has other things too.
        self._head_size += len(data)
        self._to_learn = b"" if self._in_head or self._request else data
        if self._request is not None:
            self._framing += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            # Some clients, Java's among them, offer HTTP/2 over clear text; that may be ignored.
            self._parser = httptools.HttpRequestParser(self)
            return data[upgrade.args[0] :] + rest
        except httptools.HttpParserCallbackError:
            log.exception("a request could not be taken")
            self._refuse_unparsed(InternalError("the engine failed; its log has the traceback"))
        except httptools.HttpParserError as error:
            self._refuse_unparsed(BadRequest(f"the request is not valid HTTP/1.1: {error}"))
        else:
            if self._in_head and self._head_size > self._server.settings.max_head:
                self._refuse_unparsed(checks.head_too_large(self._server.settings.max_head))
            elif self._missing:
                self._parser = httptools.HttpRequestParser(self)
            elif self._request is not None and self._framing > self._server.settings.max_head:
                # The parser joins the pieces of a trailer in quadratic time: 15 MB took 7 s.
                self._refuse_unparsed(checks.framing_too_large(self._server.settings.max_head))
        return rest

    def _admit(self, request: HttpRequest, length: int) -> Refusal | None:
        """Find out who is to answer the request; return why it is refused, if it is."""
        target = request.target = checks.origin_form(request.target)
        path = target.partition(b"?")[0]
        router = self._server.router
        if router.is_small(path):
            if length or b"transfer-encoding" in self._headers:
                return BodyTooLarge("no body is taken here; send the request without one")
            return None
        service = router.find(request.method, path)
        if isinstance(service, Refusal):
            return service
        if unauthorized := token_refusal(
            service.tokens, service.name, request.method, target, self._headers
        ):
            return unauthorized
        if self._headers.get(b"content-encoding", b"identity").lower() != b"identity":
            request.inflater = Inflater(self._server.settings.max_body)
        refusal = service.admit(request, length, monotonic())
        if refusal is None:
            request.service = service
        return refusal

    def _is_next(self, known: KnownHead, data: bytes) -> bool:
        """Whether `data` begins, between two requests, with the head that is known."""
        between = self._request is None and not self._in_head
        return between and data.startswith(known.head) and known.holds()

    def _take_whole(self, known: KnownHead, data: bytes) -> None:
        """Take a request that has arrived in one piece: most do, and nothing is looked at twice."""
        self.since = now = monotonic()
        request = known.again(now)
        self._pipeline.append(request)
        if len(self._pipeline) > MAX_PIPELINED:
            self._read_or_hold()
        service = known.service
        refusal = request.refusal = service.admit(request, known.length, now)
        if refusal is not None:
            request.refuse(refusal)
        else:
            request.service = service
            request.body.append(data[known.start :])
            request.size = request.charged = known.length
            self._server.budget.free -= known.length
            request.codec = known.codec
            service.submit(request, now)

    def _take_known(self, known: KnownHead, data: bytes) -> bytes:
        """Take a request past the parser; return what follows what has arrived of it."""
        self.since = now = monotonic()
        self._request = request = known.again(now)
        self._pipeline.append(request)
        if len(self._pipeline) > MAX_PIPELINED:
            self._read_or_hold()
        self._missing = known.length
        refusal = request.refusal = known.service.admit(request, known.length, now)
        if refusal is None:
            request.service = known.service
        elif known.length > _READ_AWAY:
            self._refuse_now(request, refusal)
            return b""
        rest = data[known.start :]
        return self._receive_body(rest) if rest else rest

    def _receive_body(self, data: bytes) -> bytes:
        """Take body bytes past the parser; return what follows the body."""
        part = data[: self._missing]
        self._missing -= len(part)
        self._keep(part)
        if not self._missing:
            self.on_message_complete()
        return data[len(part) :]

    def _keep(self, data: bytes) -> None:
        request = self._request
        if request is None or request.service is None or request.reply is not None:
            return
        inflater = request.inflater
        if inflater is None:
            self._add_to_body(request, data)
            return
        waits = inflater.pending
        inflater.feed(data)
        if not waits and self._inflate(request):
            self._inflating += 1
            self._read_or_hold()
            self._server.turns.add(partial(self._inflate_on, request))

    def _inflate(self, request: HttpRequest) -> bool:
        """Inflate a piece of a body; return whether there is more of what was received."""
        assert request.inflater is not None
        try:
            data = request.inflater.take()
        except Refusal as refusal:
            self._refuse_now(request, refusal)
            return False
        if data:
            self._add_to_body(request, data)
        return request.inflater.pending and request.reply is None

    def _inflate_on(self, request: HttpRequest) -> bool:
        """Inflate another piece, in a turn of its own; return whether there is more."""
        assert request.inflater is not None
        wanted = request.reply is None and not self._closing
        if wanted and self._inflate(request):
            return True
        self._inflating -= 1
        if not self._closing:
            if request.inflater.whole and request.reply is None:
                self._respond(request)
            self._read_or_hold()
        return False

    def _add_to_body(self, request: HttpRequest, data: bytes) -> None:
        """Add a piece to a body and charge it, or refuse the request."""
        body, budget = request.body, self._server.budget
        size = request.size = request.size + len(data)
        if size > self._server.settings.max_body:
            self._refuse_now(request, checks.body_too_large(self._server.settings.max_body))
        elif not budget.fits(len(data), small=size <= BULK_SIZE):
            self._refuse_now(request, budget.body_refusal())
        else:
            budget.free -= len(data)
            request.charged = size
            if body and len(body[-1]) < _SMALL_PIECE and len(data) < _SMALL_PIECE:
                body[-1] += data
            else:
                body.append(data)

    def _respond(self, request: HttpRequest) -> None:
        """Act on a request that has arrived whole."""
        service = request.service
        if request.refusal is not None:
            request.refuse(request.refusal)
        elif service is None:
            self.reply(request, *self._small_route(request.target.partition(b"?")[0]))
        elif request.size and request.method == b"POST":
            self._submit(request, service)
        else:
            code, text = service.describe()
            request.codec = EAS_JSON
            request.answer(code, [text])

    def _small_route(self, path: bytes) -> tuple[int, bytes, list[bytes]]:
        """Return status, content type and text of what no service answers."""
        server = self._server
        if path == METRICS:
            return 200, TEXT_FORMAT, [server.metrics()]
        if (name := asked_for(path)) is not None:
            own = own_peer(self._transport.get_extra_info("sockname"))
            status, text = server.router.upstreams(name, own)
            return status, JSON if status == 200 else TEXT, [text]
        status, text = server.router.health(path) or (404, b"")
        return status, TEXT, [text]

    def _submit(self, request: HttpRequest, service: Service) -> None:
        try:
            if request.inflater is not None:
                request.inflater.finish()
        except Refusal as refusal:
            request.refuse(refusal)
        else:
            request.choose_kind()
            service.submit(request, monotonic())
