"""Sends the answers of a connection within the client's windows, once in each turn of the loop."""

from __future__ import annotations

import asyncio
import gzip
import struct
from collections import deque
from time import monotonic
from typing import TYPE_CHECKING
from urllib.parse import quote

from eas_processor.frontends.grpc.http2 import frames
from eas_processor.frontends.grpc.http2.frames import (
    END_HEADERS,
    END_STREAM,
    FRAME_HEAD,
    HEADERS,
    U32,
    frame,
    literal,
)
from eas_processor.frontends.grpc.http2.unsent import Unsent
from eas_processor.link.frames import BULK_SIZE

if TYPE_CHECKING:
    from eas_processor.frontends.grpc.http2.connection import Http2Connection
    from eas_processor.frontends.grpc.http2.stream import Stream

# No field refers to the client's table, so a block means the same whenever it is sent. Inserted
# entries would be wrong if a window delayed the trailers, and would not be quicker.
_RESPONSE = b"\x88" + b"\x0f\x10\x10application/grpc"  # :status 200; content-type is static name 31
_GZIPPED = _RESPONSE + literal(b"grpc-encoding", b"gzip")
_OK = literal(b"grpc-status", b"0")
_RESPONSE_HEAD = FRAME_HEAD.pack(len(_RESPONSE) << 8 | HEADERS, END_HEADERS, 0)[:5]
_OK_HEAD = FRAME_HEAD.pack(len(_OK) << 8 | HEADERS, END_HEADERS | END_STREAM, 0)[:5]
_BEFORE_MESSAGE = struct.Struct(f">5sI{len(_RESPONSE)}sIBIBI").pack
"""Packs HEADERS, and the head of the DATA frame with the prefix of its message."""
_AFTER_MESSAGE = struct.Struct(f">5sI{len(_OK)}s").pack

_COMPRESSED_FROM = 1024
_COMPRESSED_UP_TO = 1024 * 1024
"""The largest answer that is compressed, which blocks the event loop for up to 20 ms."""
_WRITTEN_AT_ONCE = 1024 * 1024
"""Bytes after which answers are written, so that the transport shows if the client is slow."""
_TEXT_SAFE = " !\"#$&'()*+,-./:;<=>?@[\\]^_`{|}~"


class Sending:
    """
    The sending side of a connection.

    `credit` is the number of bytes that the client's window of the connection still allows,
    `first_window` the initial window of a stream, and `frame_size` the largest frame. `out`
    contains the frames that are not written yet.
    """

    __slots__ = (
        "_connection",
        "_loop",
        "_queue",
        "_scheduled",
        "_size_update",
        "_unwritten",
        "credit",
        "first_window",
        "frame_size",
        "out",
    )

    def __init__(self, connection: Http2Connection) -> None:
        self._connection = connection
        self._loop = asyncio.get_running_loop()
        self._queue: deque[Stream] = deque()
        """Streams that wait for the connection's window or a slow client, not for their window."""
        self._scheduled = False
        self._size_update = b""
        self.out: list[bytes | memoryview] = []
        self._unwritten = 0
        """Bytes of answers in `out`, which is also written before the end of a large read."""
        self.credit = self.first_window = frames.FIRST_WINDOW
        self.frame_size = frames.FIRST_FRAME

    # Answers

    def respond(self, stream: Stream, message: list[bytes]) -> None:
        """Send a message and status 0."""
        stream.answered = True
        stream.body = []
        if stream.charged <= BULK_SIZE:
            self._connection.budget.free += stream.charged
            stream.charged = 0
        else:
            stream.give_back()
        flag, response = b"\0", _RESPONSE
        size = len(message[0]) if len(message) == 1 else sum(map(len, message))
        if stream.compressed and stream.head.takes_gzip:
            if _COMPRESSED_FROM <= size <= _COMPRESSED_UP_TO:
                message = [gzip.compress(b"".join(message), 1, mtime=0)]
                flag, response, size = b"\1", _GZIPPED, len(message[0])
            else:
                response = _GZIPPED
        framed = size + 5
        if (
            framed <= self.credit
            and framed <= stream.credit
            and framed <= self.frame_size
            and not self._queue
            and not self._connection.flow.blocked
            and response is _RESPONSE
            and not self._size_update
            and stream.whole
        ):
            self.credit -= framed
            number = stream.id
            self.out += (
                _BEFORE_MESSAGE(
                    *(_RESPONSE_HEAD, number, _RESPONSE), *(framed << 8, 0, number, 0, size)
                ),
                *message,
                _AFTER_MESSAGE(_OK_HEAD, number, _OK),
            )
            self._connection.forget(stream)
            self._unwritten += framed
            if self._unwritten > _WRITTEN_AT_ONCE:
                self.flush()
            else:
                self._soon()
            return
        self._headers(stream, response)
        stream.trailers = frame(HEADERS, END_HEADERS | END_STREAM, stream.id, _OK)
        self._enqueue(stream, flag, size, message)

    def fail(self, stream: Stream, status: int, text: str, *fields: tuple[bytes, bytes]) -> None:
        """End a stream with trailers: a status of gRPC, its text and other fields."""
        stream.answered = True
        stream.body = []
        stream.settle()
        block = literal(b"grpc-status", b"%d" % status)
        if text:
            block += literal(b"grpc-message", quote(text, safe=_TEXT_SAFE).encode())
        block += b"".join(literal(*each) for each in fields)
        if not stream.headers_sent:
            block = self._with_size_update(_RESPONSE + block)
        self._end(stream, frame(HEADERS, END_HEADERS | END_STREAM, stream.id, block))

    def refuse_http(self, stream: Stream, status: int) -> None:
        """End a stream that is not a call of gRPC with an HTTP status."""
        stream.answered = True
        block = self._with_size_update(literal(b":status", b"%d" % status))
        self._end(stream, frame(HEADERS, END_HEADERS | END_STREAM, stream.id, block))

    def send(self, stream: Stream, message: bytes) -> None:
        """Send a message of a streaming call."""
        self._headers(stream, _RESPONSE)
        self._enqueue(stream, b"\0", len(message), [message])

    def finish(self, stream: Stream) -> None:
        """End a streaming call with status 0."""
        stream.answered = True
        block = _OK if stream.headers_sent else self._with_size_update(_RESPONSE + _OK)
        self._end(stream, frame(HEADERS, END_HEADERS | END_STREAM, stream.id, block))

    def _headers(self, stream: Stream, response: bytes) -> None:
        if not stream.headers_sent:
            stream.headers_sent = True
            block = self._with_size_update(response)
            self.out.append(frame(HEADERS, END_HEADERS, stream.id, block))

    def _with_size_update(self, block: bytes) -> bytes:
        block, self._size_update = self._size_update + block, b""
        return block

    def _end(self, stream: Stream, trailers: bytes) -> None:
        """Send the last frame of a stream, after its unsent DATA."""
        if stream.unsent is not None:
            stream.trailers = trailers
        else:
            self._close(stream, trailers)
        self._soon()

    def _close(self, stream: Stream, trailers: bytes) -> None:
        self.out.append(trailers)
        stream.unsent = None
        stream.give_back()
        self._connection.forget(stream)
        if not stream.whole:
            # Further frames of the client on this stream are read and ignored.
            self._connection.reset(stream.id, frames.NO_ERROR)

    def _enqueue(self, stream: Stream, flag: bytes, size: int, message: list[bytes]) -> None:
        if stream.unsent is None:
            stream.unsent = Unsent()
            stream.moved_at = monotonic()
        stream.unsent.add([flag + U32.pack(size), *message])
        self.go_on(stream)
        stream.settle()

    # Windows

    def go_on(self, stream: Stream) -> None:
        """Queue a stream whose own window is open, and send."""
        unsent = stream.unsent
        if unsent is not None and stream.credit > 0 and not unsent.queued:
            unsent.queued = True
            self._queue.append(stream)
            self.send_queued()

    def send_queued(self) -> None:
        """Send unsent DATA of the queued streams in turn, as far as windows and client allow."""
        queue, flow = self._queue, self._connection.flow
        while queue and self.credit > 0 and not flow.blocked:
            stream = queue.popleft()
            unsent = stream.unsent
            if unsent is None:
                continue
            unsent.queued = False
            self._send(stream, unsent)
            if not unsent.size:
                self._sent(stream, unsent)
            elif stream.credit > 0:
                unsent.queued = True
                queue.append(stream)
            else:
                stream.settle()
        self._soon()

    def _send(self, stream: Stream, unsent: Unsent) -> None:
        """Send DATA of a stream until none is left, a window is used up or the client is slow."""
        written = 0
        while unsent.size and self.credit > 0 and stream.credit > 0:
            most = min(self.credit, stream.credit, self.frame_size)
            size = unsent.take(stream.id, most, self.out)
            self.credit -= size
            stream.credit -= size
            written += size
            if written >= _WRITTEN_AT_ONCE:
                self.flush()
                written = 0
                if self._connection.flow.blocked:
                    break
        stream.moved_at = monotonic()

    def _sent(self, stream: Stream, unsent: Unsent) -> None:
        """Act on a stream that has no unsent DATA any more."""
        stream.unsent = None
        if stream.trailers:
            self._close(stream, stream.trailers)
            return
        stream.settle()
        if unsent.holds_back:
            self._connection.receiving.messages.resume(stream)

    def add_credit(self, more: int) -> None:
        """Add to the connection's window."""
        self.credit += more
        if self._queue:
            self.send_queued()

    def set_table_size(self, size: int) -> None:
        """Note the client's HEADER_TABLE_SIZE. A smaller one has to be confirmed in a block."""
        if size < frames.SMALLEST_TABLE_WITHOUT_A_WORD:
            self._size_update = b"\x20"

    def stalled(self, since: float) -> list[Stream]:
        """Return the streams whose answers have waited for the client's windows since `since`."""
        if self._connection.flow.blocked:
            return []  # they wait because the client reads slowly, which has its own time limit
        streams = self._connection.streams.values()
        return [each for each in streams if each.unsent is not None and each.moved_at < since]

    # Writing

    def _soon(self) -> None:
        """Schedule `flush` for the end of this turn of the loop."""
        if not self._scheduled and not self._connection.taking:
            self._scheduled = True
            self._loop.call_soon(self._flush_now)

    def _flush_now(self) -> None:
        self._scheduled = False
        self.flush()

    def flush(self) -> None:
        """Write the frames in `out`."""
        out = self.out
        if not out:
            return
        connection = self._connection
        if not connection.transport.is_closing():
            if len(out) == 1:
                connection.transport.write(out[0])
            elif sum(map(len, out)) <= BULK_SIZE:
                connection.transport.write(b"".join(out))
            else:
                connection.transport.writelines(out)
            if connection.flow.blocked:
                connection.flow.charge_unread()
        out.clear()
        self._unwritten = 0

    def release(self) -> None:
        """Drop unsent frames, because the connection is closed."""
        self.out.clear()
        self._queue.clear()
