"""One HTTP/1.1 connection: turns received bytes into requests."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from time import monotonic
from typing import TYPE_CHECKING, Any, cast

from eas_processor.contracts.refusals import Refusal
from eas_processor.frontends.http.answers import Answers
from eas_processor.frontends.http.bodies import Bodies
from eas_processor.frontends.http.flow import FlowControl
from eas_processor.frontends.http.head import NO_HEAD, Head
from eas_processor.frontends.http.heads import CONTINUE
from eas_processor.frontends.http.inflate import Inflater
from eas_processor.frontends.http.known_heads import KnownHead, KnownHeads
from eas_processor.frontends.http.parsing import BETWEEN, BODY, ENDED, HEAD, HEADS_AT_ONCE, Parsing
from eas_processor.frontends.http.refusals import ArrivalTimeout, Crowded, HttpRefusal
from eas_processor.frontends.http.request import HttpRequest
from eas_processor.frontends.http.routes import Refused, Route
from eas_processor.link.frames import BULK_SIZE

if TYPE_CHECKING:
    from eas_processor.frontends.http.server import HttpServer

MAX_PIPELINED = 32
"""The most unanswered requests of one connection."""
REFUSED_AT_ONCE = 64
"""Connections over the limit that get an answer. Each holds a descriptor for up to 2 s."""

_DISCARDED_AT_MOST = 1024 * 1024
"""A refused body up to this size is read and discarded, so that the connection stays usable."""
_LINGER_S = 2.0
_TURN_S = 0.002
"""How long the heads and chunks of one connection are parsed before others are served."""


class HttpConnection(asyncio.Protocol):
    """
    The protocol of one client's connection.

    A request whose head is known (`known`) bypasses the parser; every other request is parsed
    (`Parsing`). Both ways meet in `_begin` and in `HttpRequest.received`. `answers` writes the
    answers in the order of the requests. `flow` pauses reading.
    """

    flow: FlowControl
    answers: Answers

    def __init__(self, server: HttpServer) -> None:
        # State of the connection
        self.server = server
        self.known = KnownHeads()
        self.since = monotonic()
        """When it last began to wait: for a request, for the rest of a head, or for its end."""
        self._transport: asyncio.Transport
        self.budget = server.budget
        self._parsing = Parsing(self)
        self._bodies = Bodies(self)
        self._held_back = b""
        """Received bytes that wait for earlier requests, or for a turn of the event loop."""
        self._waits_for_turn = False
        # State of the request that is arriving
        self.arriving = BETWEEN
        self.request: HttpRequest | None = None
        """The request whose body is not complete."""
        self.missing = 0
        """Body bytes that have not arrived yet, if the request has a Content-Length."""

    # Called by asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self.since = monotonic()  # a TLS handshake may have taken place since `__init__`
        self.flow = FlowControl(self.budget, self._transport, self.since)
        self.answers = Answers(self, self._transport, self.flow)
        connections, limit = self.server.connections, self.server.settings.max_connections
        connections[self] = None
        if len(connections) > limit + REFUSED_AT_ONCE:
            self.abort()
        elif len(connections) > limit:
            self.refuse_unparsed(
                Crowded(f"too many open connections (limit {limit}, set by --max-connections)")
            )

    def connection_lost(self, exc: Exception | None) -> None:
        self.arriving = ENDED
        self.server.connections.pop(self, None)
        self.answers.withdraw()
        self.flow.forget()
        self.request = None
        # These refer back to this object. Without the cycle it is freed at once.
        self.answers.release()
        self._parsing.release()
        del self._bodies

    def data_received(self, data: bytes) -> None:
        # Most requests arrive in one piece and have the head of the previous one. They take this
        # short way.
        if self.arriving == BETWEEN and self.flow.reading:
            known = self.known.last
            if (
                known is not None
                and (data.startswith(known.data) or (known := self.known.find(data)) is not None)
                and len(data) == known.size
                and known.route.holds()
            ):
                self.since = now = monotonic()
                request = self._begin(known.route, now)
                if request.refusal is not None:
                    request.refuse(request.refusal)
                else:
                    request.body.append(data[known.start :])
                    size = request.size = known.length
                    if size > BULK_SIZE:
                        request.charge(size)
                    else:
                        request.charged = size
                        self.budget.free -= size
                    request.received(now)
                return
        flood = len(data) > HEADS_AT_ONCE and not self.missing
        if flood and self.server.turns.busy and self.flow.reading and self.arriving != ENDED:
            self._held_back += data
            self._wait_for_turn()
        else:
            self._take_pieces(data)

    def pause_writing(self) -> None:
        self.flow.block()
        self.read_or_hold()

    def resume_writing(self) -> None:
        self.flow.unblock()
        self.read_or_hold()

    # Received bytes

    def _take_pieces(self, data: bytes) -> None:
        until = monotonic() + _TURN_S
        while data and self.flow.reading and self.arriving != ENDED:
            if self.missing:
                data = self._receive_body(data)
            elif (
                self.arriving == BETWEEN
                and (known := self.known.find(data))
                and known.route.holds()
            ):
                data = self._take_known(known, data)
            else:
                data = self._parsing.feed(data)
            if data and monotonic() > until:
                break
        if data and self.arriving != ENDED:
            self._held_back += data
            if self.flow.reading:
                self._wait_for_turn()

    def _wait_for_turn(self) -> None:
        """Continue with the held-back bytes in a later turn of the loop, after other clients."""
        self._waits_for_turn = True
        self.read_or_hold()
        self.server.turns.add(self._go_on)

    def _go_on(self) -> bool:
        """Take the held-back bytes; return False, because this job needs no further turn."""
        self._waits_for_turn = False
        if self.arriving != ENDED:
            data, self._held_back = self._held_back, b""
            self.read_or_hold()
            if self.flow.reading:
                self._take_pieces(data)
            else:
                self._held_back = data
        return False

    def _begin(self, route: Route, now: float) -> HttpRequest:
        """Begin a request whose head was complete `now`. Every request passes here."""
        request = route.open(self, now)
        pipeline = self.answers.pipeline
        pipeline.append(request)
        if len(pipeline) > MAX_PIPELINED:
            self.read_or_hold()
        return request

    def _take_known(self, known: KnownHead, data: bytes) -> bytes:
        """Begin a request whose head is known; return the bytes that follow it in `data`."""
        self.since = now = monotonic()
        self.arriving = BODY
        self.request = request = self._begin(known.route, now)
        self.missing = known.length
        if request.refusal is not None and known.length > _DISCARDED_AT_MOST:
            self.refuse_now(request, request.refusal)
            return b""
        return self._receive_body(data[known.start :])

    def _receive_body(self, data: bytes) -> bytes:
        """Take body bytes without the parser; return the bytes that follow the body."""
        part = data[: self.missing]
        if part:
            self.missing -= len(part)
            self._bodies.add(self.request, part)
            self.end_request()
        return data[len(part) :]

    def end_request(self) -> None:
        """Answer the request that is arriving, if it is complete."""
        # For the parser, a request that offers an upgrade ends with its head.
        if self.arriving == ENDED or self.missing or self.request is None:
            return
        request, self.request = self.request, None
        self.since = now = monotonic()
        self.arriving = BETWEEN if request.keep_alive else ENDED
        if not request.answered:
            self._bodies.end(request, now)

    # Called by the parser

    def begin_head(self) -> None:
        """Note that a head begins."""
        if self.arriving != ENDED:
            self.arriving = HEAD
        self.since = monotonic()

    def take_head(self, head: Head, headers: Mapping[bytes, bytes], first_head: bytes) -> None:
        """
        Begin a request whose head was parsed; `headers` has lower-case names.

        `first_head` begins with the bytes of this head, which may be remembered, or is empty.
        """
        route = self.server.routes.find(head, headers)
        self.arriving = BODY
        self.request = request = self._begin(route, monotonic())
        self.missing = head.length
        if request.refusal is None:
            if head.coded:
                request.inflater = Inflater(self.server.settings.max_body)
            if first_head:
                self.known.learn(first_head, route, headers)
            if head.expects and len(self.answers.pipeline) == 1 and not head.old:
                self._transport.write(CONTINUE)
        elif head.length > _DISCARDED_AT_MOST or head.expects or head.chunked:
            self.refuse_now(request, request.refusal)

    def refuse_head(self, head: Head, refusal: HttpRefusal) -> None:
        """Refuse a request whose head is invalid, and stop reading."""
        self.request = request = self._begin(Refused(head, refusal), self.since)
        self.refuse_now(request, refusal)

    def receive_parsed(self, data: bytes) -> None:
        """Take body bytes that came through the parser."""
        if self.missing:
            self.missing -= len(data)
        self._bodies.add(self.request, data)

    # Refusals

    def refuse_now(self, request: HttpRequest, refusal: Refusal) -> None:
        """Refuse a request before its body has arrived, and discard the rest."""
        self.arriving = ENDED
        request.keep_alive = False
        request.refuse(refusal)

    def refuse_unparsed(self, refusal: HttpRefusal) -> None:
        """Refuse bytes that are not a request, or a request that cannot be read to its end."""
        if self.arriving == ENDED:
            return
        if (request := self.request) is None:
            self.request = request = Refused(NO_HEAD, refusal).open(self, self.since)
            self.answers.pipeline.append(request)
        self.refuse_now(request, refusal)

    # Flow control and closing

    def read_or_hold(self) -> None:
        """Read or pause: pause if the client reads too slowly or sends too many requests."""
        answers, flow = self.answers, self.flow
        crowded = len(answers.pipeline) > MAX_PIPELINED
        busy = flow.blocked or crowded or self._bodies.inflating > 0 or self._waits_for_turn
        if flow.read(answers.closed or not busy) and flow.reading:
            self.since = monotonic()
            if self._held_back:
                data, self._held_back = self._held_back, b""
                self.data_received(data)

    def sockname(self) -> tuple[Any, ...]:
        """Return the address at which the client connected, as `getsockname` returns it."""
        name: tuple[Any, ...] = self._transport.get_extra_info("sockname")
        return name

    def check_time(self, now: float) -> None:
        """Close the connection if it has waited too long for the client."""
        settings, flow, request = self.server.settings, self.flow, self.request
        waited = now - self.since
        flow.measure(now)
        if now - flow.read_at > settings.send_timeout:
            flow.drop(f"the client read nothing for {settings.send_timeout:.0f} s")
        elif self.answers.closed:
            unsent = self._transport.get_write_buffer_size()
            if waited > (settings.idle_timeout if unsent else _LINGER_S):
                self.abort()
        elif flow.reading and (
            self.arriving == HEAD or (request is not None and not request.deadline)
        ):
            # The body of an admitted call has a deadline of its own.
            if waited > settings.head_timeout:
                late = f"the request took more than {settings.head_timeout:.0f} s to arrive"
                self.refuse_unparsed(ArrivalTimeout(late))
        elif not self.answers.pipeline and waited > settings.idle_timeout:
            self.close(linger=False)

    def close_if_idle(self, since: float) -> None:
        """Close the connection if no request has arrived since that time."""
        waits = self.answers.pipeline or self._held_back or self.arriving == HEAD
        idle = not waits and self.since <= since
        if idle and not self.answers.closed:
            self.close(linger=False)

    def close(self, *, linger: bool) -> None:
        """Close the connection; with `linger`, only after the client has had time to read."""
        self.arriving = ENDED
        self.since = monotonic()
        self.answers.withdraw()
        if linger:
            # Closing with unread bytes in the socket sends a reset, which can overtake the answer.
            # So this half is closed, and bytes are read until the client closes its half or
            # `check_time` closes the connection.
            self.read_or_hold()
            # TLS cannot close one half. The answer says `Connection: close`, so the client closes.
            if self._transport.can_write_eof():
                self._transport.write_eof()
        else:
            self._transport.close()

    def abort(self) -> None:
        """Close the connection at once."""
        self._transport.abort()
