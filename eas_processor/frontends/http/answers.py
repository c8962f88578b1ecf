"""What an HTTP connection sends, in the order of its requests, and how it ends."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from time import monotonic
from typing import TYPE_CHECKING

from eas_processor.contracts.counters import server_timing
from eas_processor.contracts.refusals import DeadlineExceeded, Refusal
from eas_processor.frontends.http.heads import BYTES
from eas_processor.frontends.http.request import HttpRequest
from eas_processor.link.frames import BULK_SIZE

if TYPE_CHECKING:
    from eas_processor.frontends.http.server import HttpServer

log = logging.getLogger("eas_processor.engine")

MAX_PIPELINED = 32
"""Requests of one connection that are worked on at a time."""

_LEFT = 499
"""How a request is counted whose client left before the answer."""
_LINGER_S = 2.0
_WRITTEN: tuple[int, bytes, list[bytes]] = (0, b"", [])


class Answering(asyncio.Protocol):
    """
    The sending half of a connection: answers, the client's pace, and the end.

    The receiving half (`HttpConnection`) puts requests into `_pipeline`.
    """

    def __init__(self, server: HttpServer) -> None:
        self._server = server
        self._transport: asyncio.Transport
        self._pipeline: deque[HttpRequest] = deque()
        self._reading = True
        self._write_blocked = False
        self._deaf = False
        """Whether the last request was taken: what still arrives is thrown away."""
        self._closing = False
        self.since = monotonic()
        """When the connection last began to wait: for a request, the rest of a head, or its end."""
        self._unread = 0
        self.read_at = self.since
        """When the client was last seen to read; `_unread` bytes were left then."""
        self._inflating = 0
        """Bodies that are inflated in turns of the loop: see `Turns`."""
        self._held_back = b""
        """What was received behind more requests than are worked on at a time."""
        # What is arriving
        self._request: HttpRequest | None = None
        self._in_head = False

    # The client's pace

    def pause_writing(self) -> None:
        self._write_blocked = True
        self._charge_unread()
        self._read_or_hold()

    def resume_writing(self) -> None:
        self._write_blocked = False
        self._server.budget.note_unread(self, 0)
        self._read_or_hold()

    def give_back(self, request: HttpRequest) -> None:
        """Take what is charged for a request, its body or its answer, out of the budget."""
        self._server.budget.free += request.charged
        request.charged = 0

    def measure(self, now: float) -> None:
        """Note how much the client has read, and give back what is charged for that."""
        unread = self._transport.get_write_buffer_size()
        if not unread or unread < self._unread:
            self.read_at = now
        self._unread = unread
        if self._write_blocked:
            self._server.budget.note_unread(self, unread)

    def drop(self, why: str) -> None:
        """Close the connection in the middle of an answer."""
        self._server.budget.dropped += 1
        log.warning("the connection of %s is dropped in mid-answer: %s", self._client(), why)
        self.abort()

    def _charge_unread(self) -> None:
        unread = self._transport.get_write_buffer_size()
        if not self._unread:
            self.read_at = monotonic()  # what was there before has been read
        self._unread = max(unread, self._unread)
        self._server.budget.charge_unread(self, unread)

    # Answers

    def reply(
        self, request: HttpRequest, status: int, content_type: bytes, payload: list[bytes]
    ) -> None:
        """Write an answer as soon as those before it are written."""
        if self._closing:
            return
        server, pipeline = self._server, self._pipeline
        usual = request.plain and content_type is BYTES and len(payload) == 1
        if usual and len(pipeline) == 1 and not server.draining and server.access_log is None:
            pipeline.clear()
            request.reply = _WRITTEN
            answer = payload[0]
            self._transport.write(server.heads.build_usual(request.id, len(answer)) + answer)
            if self._write_blocked:
                self._charge_unread()
            return
        request.reply = status, content_type, payload
        parts: list[bytes] = []
        while pipeline and (answered := pipeline[0].reply) is not None:
            first = pipeline.popleft()
            if self._server.draining and not pipeline and not self._in_head:
                first.keep_alive = False
            self._add(parts, first, *answered)
            self.give_back(first)
            first.reply = _WRITTEN  # a known head keeps its request, and would keep the answer
            if not first.keep_alive:
                self._write(parts)
                self._close(linger=first is self._request or bool(pipeline) or not self._reading)
                return
        if request.reply is not _WRITTEN:
            self._charge_kept(request, payload)
        self._write(parts)
        if not self._reading:
            self._read_or_hold()

    def _charge_kept(self, request: HttpRequest, payload: list[bytes]) -> None:
        """Charge an answer that is kept until those before it are there."""
        budget = self._server.budget
        request.charged = sum(map(len, payload))
        budget.free -= request.charged
        if budget.free < 0:
            budget.drop_unread()
        if budget.free < 0:
            self.drop("the answers that wait for an earlier one leave no room for others")

    def no_room(self, size: int) -> Refusal | None:
        """Return why a large answer of `size` bytes is not sent, if there is no room for it."""
        budget = self._server.budget
        fits = size <= BULK_SIZE or budget.fits(size)
        return None if fits else budget.answer_refusal(size)

    def count_refusal(self, status: int) -> None:
        """Count the refusal of a request that no service took."""
        self._server.refused[status] += 1

    def _write(self, parts: list[bytes]) -> None:
        """Write answers, the small ones with one copy and one buffer."""
        if sum(map(len, parts)) <= BULK_SIZE:
            self._transport.write(b"".join(parts))
        else:
            self._transport.writelines(parts)
        if self._write_blocked:
            self._charge_unread()

    def _add(
        self,
        parts: list[bytes],
        request: HttpRequest,
        status: int,
        content_type: bytes,
        payload: list[bytes],
    ) -> None:
        """Add the bytes of an answer to `parts`."""
        length = sum(map(len, payload))
        if self._server.access_log is not None:
            self._server.access_log.note(request, self._client(), status, length)
        head = self._server.heads.build(
            status,
            request.id,
            content_type,
            length,
            keep_alive=request.keep_alive,
            old=request.old,
            extra=self._timing(request) if request.timed else b"",
        )
        parts.append(head)
        if request.method != b"HEAD":
            parts += payload

    def _timing(self, request: HttpRequest) -> bytes:
        """Return the header that says where the time of an answered request went."""
        if request.times is None:
            return b""
        return server_timing(request.began, request.submitted, request.times, monotonic())

    def _client(self) -> str:
        host, port, *_ = self._transport.get_extra_info("peername") or ("unknown", 0)
        return f"{host}:{port}"

    def _refuse_now(self, request: HttpRequest, refusal: Refusal) -> None:
        """Refuse a request before its body has arrived; the rest is thrown away."""
        self._deaf = True
        request.keep_alive = False
        request.refuse(refusal)

    def _refuse_unparsed(self, refusal: Refusal) -> None:
        """Answer bytes that are not a request, or not one that may be read to its end."""
        if self._deaf:
            return
        if (request := self._request) is None:
            request = HttpRequest(self, b"", b"", {}, keep_alive=False, old=False)
            self._request = request
            self._pipeline.append(request)
        self._in_head = False
        self._refuse_now(request, refusal)

    # Its end

    def close_if_idle(self, since: float) -> None:
        """Close the connection if nothing has been asked of it since that time."""
        idle = not self._pipeline and not self._in_head and self.since <= since
        if idle and not self._closing:
            self._close(linger=False)

    def abort(self) -> None:
        """Close the connection whatever it is doing."""
        self._transport.abort()

    def check_time(self, now: float) -> None:
        """Close the connection if it has waited too long for the client."""
        settings, request = self._server.settings, self._request
        waited = now - self.since
        self.measure(now)
        if now - self.read_at > settings.send_timeout:
            self.drop(f"nothing of it was read for {settings.send_timeout:.0f} s")
        elif self._closing:
            unsent = self._transport.get_write_buffer_size()
            if waited > (settings.idle_timeout if unsent else _LINGER_S):
                self.abort()
        elif self._reading and (self._in_head or (request and request.service is None)):
            # The body of a request that a service answers has the deadline of that service.
            if waited > settings.head_timeout:
                late = f"the request took more than {settings.head_timeout:.0f} s to arrive"
                self._refuse_unparsed(DeadlineExceeded(late))
        elif not self._pipeline and waited > settings.idle_timeout:
            self._close(linger=False)

    def _close(self, *, linger: bool) -> None:
        self._closing = self._deaf = True
        self.since = monotonic()
        self._withdraw_requests()
        if linger:
            # Closing with unread bytes in the socket sends a reset, which can overtake the answer:
            # close this half, and read until the client closes its own or `check_time` has enough.
            self._read_or_hold()
            # TLS has no half to close: there the answer says `close`, and the client does.
            if self._transport.can_write_eof():
                self._transport.write_eof()
        else:
            self._transport.close()

    def _withdraw_requests(self) -> None:
        for request in self._pipeline:
            if request.service is not None and request.reply is None:
                request.service.withdraw(request)
                request.service.metrics.codes[_LEFT] += 1
            self.give_back(request)
        self._pipeline.clear()

    def _read_or_hold(self) -> None:
        """Read on, unless the client does not read its answers or asks for too many at once."""
        busy = self._write_blocked or len(self._pipeline) > MAX_PIPELINED or self._inflating > 0
        reading = self._closing or not busy
        if reading != self._reading and not self._transport.is_closing():
            self._reading = reading
            if reading:
                self.since = monotonic()
                self._transport.resume_reading()
                if self._held_back:
                    data, self._held_back = self._held_back, b""
                    self.data_received(data)
            else:
                self._transport.pause_reading()
