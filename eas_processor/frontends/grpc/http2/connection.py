"""One HTTP/2 connection: its streams, its time limits and its closing."""

from __future__ import annotations

import asyncio
import struct
from collections import OrderedDict
from time import monotonic
from typing import TYPE_CHECKING, cast

from eas_processor.contracts.refusals import DeadlineExceeded
from eas_processor.frontends.grpc.http2 import frames
from eas_processor.frontends.grpc.http2.faults import ConnectionFault
from eas_processor.frontends.grpc.http2.frames import CANCEL, LARGEST, NO_ERROR, REFUSED_STREAM
from eas_processor.frontends.grpc.http2.head import Heads, StreamHead
from eas_processor.frontends.grpc.http2.limits import (
    MAX_BLOCK,
    MAX_FRAME,
    MAX_STREAMS,
    REMEMBERED,
    STREAM_WINDOW,
    Noise,
)
from eas_processor.frontends.grpc.http2.receiving import Receiving
from eas_processor.frontends.grpc.http2.sending import Sending
from eas_processor.frontends.grpc.http2.stream import GrpcRoutes, Method, Stream
from eas_processor.frontends.grpc.http2.unserved import bad_timeout, http_only
from eas_processor.frontends.http.connection import REFUSED_AT_ONCE
from eas_processor.frontends.http.flow import FlowControl

if TYPE_CHECKING:
    from eas_processor.frontends.http.server import HttpServer

_GREETING = frames.settings(
    {
        frames.MAX_CONCURRENT_STREAMS: MAX_STREAMS,
        frames.INITIAL_WINDOW_SIZE: STREAM_WINDOW,
        frames.MAX_FRAME_SIZE: MAX_FRAME,
        frames.MAX_HEADER_LIST_SIZE: MAX_BLOCK,
    }
) + frames.window_update(0, LARGEST - frames.FIRST_WINDOW)
_FAREWELL = b"farewell"
"""The payload of the PING whose answer shows that the client has read the first GOAWAY."""
_PRESENCE = b"presence"
"""The payload of the PING that a silent client has to answer."""
_PONG_S = 1.0
_LINGER_S = 2.0


class Http2Connection(asyncio.Protocol):
    """
    The protocol of one client's HTTP/2 connection.

    `receiving` acts on frames, `sending` writes answers, and `flow` pauses reading. `streams`
    contains the open streams. `ended_here` contains streams whose late frames are ignored.
    """

    flow: FlowControl
    receiving: Receiving
    sending: Sending

    def __init__(self, server: HttpServer, routes: GrpcRoutes, heads: Heads) -> None:
        self.server = server
        self.budget = server.budget
        self.routes = routes
        self.heads = heads
        self.transport: asyncio.Transport
        self.noise = Noise()
        self.streams: dict[int, Stream] = {}
        self.ended_here: OrderedDict[int, None] = OrderedDict()
        self.now = self._idle_since = monotonic()
        """`now` is when the present bytes were received."""
        self.taking = False
        """Whether received bytes are being processed. Frames are written at their end."""
        self.closing = False
        """Whether no more bytes are processed."""
        self.lost = False
        self.leaves = False
        """Whether the client has sent GOAWAY or closed its side."""
        self._cancelled = 0
        """Streams that the client reset recently. Each still counts as open for a moment."""
        self._farewell_at = 0.0
        """When the first GOAWAY was sent."""
        self._pong = False
        self._closed_at = 0.0
        self._looked_at = self._heard_at = self.now
        """When time limits were last checked, and when the client had last sent bytes by then."""
        self._asked_at = 0.0
        """When a silent client was sent a PING."""

    # Called by asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.now = self._idle_since = monotonic()
        self.flow = FlowControl(self.budget, self.transport, self.now)
        self.sending = Sending(self)
        self.receiving = Receiving(self)
        connections, limit = self.server.connections, self.server.settings.max_connections
        connections[self] = None
        if len(connections) > limit + REFUSED_AT_ONCE:
            self.abort()
            return
        self.sending.out.append(_GREETING)
        if len(connections) > limit:
            self._go_away(frames.ENHANCE_YOUR_CALM, b"too many connections are open")
        self.sending.flush()

    def connection_lost(self, exc: Exception | None) -> None:
        self.closing = self.lost = True
        self.server.connections.pop(self, None)
        for stream in list(self.streams.values()):
            self._withdraw(stream)
        self.streams.clear()
        self.flow.forget()
        self.sending.release()
        # These refer back to this object. Without the cycle it is freed at once.
        del self.receiving, self.sending

    def eof_received(self) -> bool:
        for stream in list(self.streams.values()):
            if not stream.whole:
                self.cancel(stream)
        # Answers of this turn of the loop may not be written yet.
        self.sending.flush()
        # Outstanding answers are still written. TLS cannot keep one half of a connection open.
        if self.streams and not self.closing:
            self.leaves = True
            return self.transport.can_write_eof()
        return False

    def pause_writing(self) -> None:
        self.flow.block()
        self.flow.read(False)

    def resume_writing(self) -> None:
        self.flow.unblock()
        self.flow.read(True)
        self.sending.send_queued()

    def data_received(self, data: bytes) -> None:
        if self.closing:
            return
        self.now = monotonic()
        self.taking = True
        try:
            self.receiving.take(data)
        except ConnectionFault as fault:
            self._go_away(fault.code, str(fault).encode())
        finally:
            self.taking = False
        self.sending.flush()
        if self.leaves and not self.streams and not self.closing:
            self._close()

    # Streams

    def method_of(self, head: StreamHead) -> Method:
        """Return the method for a head, which may be one that refuses."""
        if head.malformed:
            return http_only(0)
        if not head.is_grpc:
            return http_only(415)
        if head.headers[b":method"] != b"POST":
            return http_only(405)
        if head.bad_timeout:
            return bad_timeout()
        return self.routes.find(head)

    def begin(self, number: int, head: StreamHead, method: Method, *, ends: bool) -> None:
        """Open a stream whose head has arrived."""
        if head.malformed:
            self.noise.add()
            self.reset(number, frames.PROTOCOL_ERROR)
            return
        if len(self.streams) + self._cancelled >= MAX_STREAMS:
            self.noise.add()
            self.reset(number, REFUSED_STREAM)
            return
        stream = method.open(self, number, head, self.now)
        self.streams[number] = stream
        stream.whole = ends
        if stream.refusal is not None:
            stream.refuse(stream.refusal)
        elif ends and not stream.answered:
            self.receiving.messages.end(stream, self.now)

    def forget(self, stream: Stream) -> None:
        """Remove a stream that is answered."""
        self.streams.pop(stream.id, None)
        self.noise.pay()
        if not self.streams:
            self._idle_since = self.now
            if self.leaves:
                self._close_soon()
        if self.server.draining and not self._farewell_at:
            self._say_farewell()

    def cancel(self, stream: Stream) -> None:
        """Withdraw a stream that the client has reset, or that broke a rule."""
        self.streams.pop(stream.id, None)
        if stream.whole and not stream.answered:
            # Its run may continue for a while. A client that resets its calls must not get more
            # runs than a client that waits: CVE-2023-44487.
            self._cancelled += 1
            # Hundreds of expired deadlines are not noise. `_cancelled` limits them.
            self.noise.pay()
        self._withdraw(stream)
        if not self.streams:
            self._idle_since = self.now

    def reset(self, number: int, code: int) -> None:
        """End a stream with RST_STREAM, and ignore its late frames."""
        if len(self.ended_here) >= REMEMBERED:
            self.ended_here.popitem(last=False)
        self.ended_here[number] = None
        self.sending.out.append(frames.reset(number, code))

    def _withdraw(self, stream: Stream) -> None:
        if not stream.answered:
            stream.answered = True
            stream.withdraw()
        stream.unsent = None
        stream.body = []
        stream.give_back()

    # Time limits and closing

    def check_time(self, now: float) -> None:
        """End streams, or the connection, that have waited too long for the client."""
        settings, flow = self.server.settings, self.flow
        if self.now != self._looked_at:
            self._heard_at, self._asked_at = self.now, 0.0
        self.now = self._looked_at = now
        self._cancelled = 0
        self.noise.rest()
        flow.measure(now)
        if self._closed_at:
            if now - self._closed_at > _LINGER_S:
                self.transport.abort()
            return
        if now - flow.read_at > settings.send_timeout:
            flow.drop(f"the client read nothing for {settings.send_timeout:.0f} s")
            return
        if not self.receiving.settled and now - self._idle_since > settings.head_timeout:
            self._close()
            return
        if self.streams and flow.reading:
            self._check_presence(now)
        self._check_block(now, settings.head_timeout)
        if self.closing:
            return
        self._check_streams(now, settings.head_timeout)
        for stream in self.sending.stalled(now - settings.send_timeout):
            self.cancel(stream)
            self.reset(stream.id, CANCEL)
        if not self.streams and now - self._idle_since > settings.idle_timeout:
            self._go_away(NO_ERROR)
        self.sending.flush()

    def _check_presence(self, now: float) -> None:
        """Send a PING to a silent client that waits for answers; abort if it does not answer."""
        settings = self.server.settings
        if self._asked_at:
            if now - self._asked_at > settings.head_timeout:
                self.transport.abort()
        elif now - self._heard_at > settings.idle_timeout:
            self._asked_at = now
            self.sending.out.append(frames.frame(frames.PING, 0, 0, _PRESENCE))

    def _check_block(self, now: float, patience: float) -> None:
        since = self.receiving.waits_since
        if since and now - since > patience:
            self._go_away(frames.ENHANCE_YOUR_CALM, b"a frame took too long to arrive")

    def _check_streams(self, now: float, patience: float) -> None:
        """End streams whose message passes its deadline or makes no progress."""
        for stream in list(self.streams.values()):
            if stream.whole or stream.answered:
                continue
            # A streaming call may be silent between two messages, but not within one.
            if stream.streaming and (stream.held_back or not stream.size):
                continue
            if stream.deadline and stream.deadline < now:
                stream.refuse(DeadlineExceeded("the message did not arrive within the deadline"))
            elif now - stream.moved_at > patience:
                late = f"no byte of the message arrived for {patience:.0f} s"
                stream.refuse(DeadlineExceeded(late))

    def close_if_idle(self, since: float) -> None:
        """Send GOAWAY, and close once the client has its answers. Called until it is closed."""
        if self.closing:
            return
        now = monotonic()
        if not self._farewell_at:
            self._say_farewell()
            self.sending.flush()
        elif self._pong or now - self._farewell_at > _PONG_S:
            self._pong = True
            if not self.streams:
                self._go_away(NO_ERROR)
                self.sending.flush()

    def _say_farewell(self) -> None:
        """
        Tell the client to open no more streams, and send a PING to learn when it has read that.

        Streams that it opened before are answered: RFC 9113, 6.8.
        """
        self._farewell_at = monotonic()
        self.sending.out.append(
            frames.frame(frames.GOAWAY, 0, 0, struct.pack(">II", LARGEST, NO_ERROR))
            + frames.frame(frames.PING, 0, 0, _FAREWELL)
        )

    def on_pong(self, payload: bytes) -> None:
        """Note the answer to a PING."""
        if self._farewell_at and payload == _FAREWELL:
            self._pong = True

    def _go_away(self, code: int, text: bytes = b"") -> None:
        """Send GOAWAY with the last stream that was processed, and close."""
        last = struct.pack(">II", self.receiving.last, code)
        self.sending.out.append(frames.frame(frames.GOAWAY, 0, 0, last + text))
        self.sending.flush()
        self._close()

    def _close_soon(self) -> None:
        """Close in the next turn of the loop, after the last answer is written."""

        def close() -> None:
            if self.lost:
                return
            self.sending.flush()
            if not self.closing and not self.streams and not self.server.draining:
                self._close()

        asyncio.get_running_loop().call_soon(close)

    def _close(self) -> None:
        """Close this side; the client has time to read and to close its side."""
        self.closing = True
        for stream in list(self.streams.values()):
            self._withdraw(stream)
        self.streams.clear()
        self._closed_at = monotonic()
        if self.transport.can_write_eof():
            # Closing with unread bytes in the socket sends a reset, which can overtake the answer.
            self.transport.write_eof()
        else:
            self.transport.close()

    def abort(self) -> None:
        """Close the connection at once."""
        self.transport.abort()
