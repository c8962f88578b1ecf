"""Turns DATA into messages of gRPC: charged, inflated if compressed, passed on when complete."""

from __future__ import annotations

from functools import partial
from time import monotonic
from typing import TYPE_CHECKING

from eas_processor.contracts.refusals import BodyTooLarge, Refusal
from eas_processor.frontends.grpc.http2.faults import StreamFault
from eas_processor.frontends.grpc.http2.frames import (
    FLOW_CONTROL_ERROR,
    LARGEST,
    U32,
    window_update,
)
from eas_processor.frontends.grpc.http2.limits import STREAM_WINDOW
from eas_processor.frontends.http.inflate import Inflater
from eas_processor.frontends.http.refusals import HttpRefusal, Malformed
from eas_processor.link.frames import BULK_SIZE

if TYPE_CHECKING:
    from eas_processor.frontends.grpc.http2.connection import Http2Connection
    from eas_processor.frontends.grpc.http2.stream import Stream

PREFIX = 5
_SMALL_PIECE = 4096
"""Smaller pieces are joined, because a list of single bytes takes 8 times the memory."""
_MESSAGES_AT_ONCE = 32
"""
The most messages of one connection before others are served.

A service takes up to 100 us for a message.
"""
_MOST_UNSENT = 64 * 1024
"""With more bytes of unsent answers, the messages of a stream wait too."""
_INTERNAL, _UNIMPLEMENTED = 13, 12
_ENCODINGS = (b"grpc-accept-encoding", b"identity,gzip")


class Messages:
    """The messages of one connection's streams."""

    __slots__ = ("_connection", "_handed_over", "_turn")

    def __init__(self, connection: Http2Connection) -> None:
        self._connection = connection
        self._turn = 0.0
        self._handed_over = 0
        """Messages of streaming calls that were passed on since `_turn` began."""

    def receive(self, stream: Stream, piece: bytes, framed: int) -> None:
        """Take a piece of DATA that used `framed` bytes of the stream's window."""
        stream.window -= framed
        if stream.window < 0:
            raise StreamFault(stream.id, FLOW_CONTROL_ERROR)
        if not piece:
            self._connection.noise.add()
        if stream.answered:
            return
        if piece:
            stream.moved_at = self._connection.now
            self._keep(stream, piece)
        if not stream.answered:
            if stream.streaming:
                if not stream.held_back:
                    self._hand_over(stream)
            elif stream.window < STREAM_WINDOW // 2 or stream.arrived < 2 * PREFIX:
                self._look_at_length(stream)

    def whole(self, stream: Stream, message: bytes, now: float) -> None:
        """Take the only message of a call, if it arrived in one frame."""
        connection = self._connection
        size = len(message)
        if size > BULK_SIZE or size > connection.budget.free:
            if not self._charge(stream, size):
                return
        else:
            connection.budget.free -= size
            stream.charged = size
        stream.body = [message]
        stream.size = size
        stream.received(now)

    def end(self, stream: Stream, now: float) -> None:
        """Act on the end of the client's side of a stream."""
        if stream.answered:
            return
        if stream.head.length is not None and stream.head.length != stream.arrived:
            raise StreamFault(stream.id)
        if stream.streaming:
            self._end_messages(stream, now)
            return
        if stream.arrived < PREFIX:
            stream.fail(_INTERNAL, "the request has no message")
            return
        flag, length = self._prefix(stream)
        if length > self._connection.server.settings.max_body:
            self._too_large(stream)
        elif length != stream.arrived - PREFIX:
            more = "more than" if length < stream.arrived - PREFIX else "less than"
            stream.fail(_INTERNAL, f"the request has {more} one message of {length} bytes")
        elif self._takes(stream, flag):
            self._strip(stream)
            if flag:
                self._inflate(stream)
            else:
                stream.received(now)

    # Pieces

    def _keep(self, stream: Stream, piece: bytes) -> None:
        """Charge a piece and add it to the body."""
        size = stream.size + len(piece)
        if size > self._connection.server.settings.max_body + PREFIX:
            self._too_large(stream)
            return
        if not self._charge(stream, size):
            return
        stream.arrived += len(piece)
        if stream.head.length is not None and stream.arrived > stream.head.length:
            raise StreamFault(stream.id)
        stream.size = size
        body = stream.body
        if body and len(body[-1]) < _SMALL_PIECE and len(piece) < _SMALL_PIECE:
            body[-1] += piece
        else:
            body.append(piece)

    def _charge(self, stream: Stream, size: int) -> bool:
        """Charge a body of `size` bytes, or refuse the call."""
        waits = stream.unsent.size if stream.unsent is not None else 0
        budget, more = self._connection.budget, size + waits - stream.charged
        if size > self._connection.server.settings.max_body + PREFIX:
            self._too_large(stream)
            return False
        if not budget.make_fit(more, stream.account, small=size <= BULK_SIZE):
            stream.refuse(budget.body_refusal(more, stream.account))
            return False
        stream.charge(size + waits)
        return True

    def _too_large(self, stream: Stream) -> None:
        limit = self._connection.server.settings.max_body
        stream.refuse(
            BodyTooLarge(f"the message is larger than the engine's limit of {limit} bytes")
        )

    def _prefix(self, stream: Stream) -> tuple[int, int]:
        """Return the flag and the length of the message that begins the body."""
        body = stream.body
        if len(body[0]) < PREFIX:
            body[:] = [b"".join(body)]
        return body[0][0], U32.unpack_from(body[0], 1)[0]

    def _look_at_length(self, stream: Stream) -> None:
        """Refuse a message that is too large, or open the window for the rest of a long one."""
        if stream.arrived < PREFIX:
            return
        length = self._prefix(stream)[1]
        if length > self._connection.server.settings.max_body:
            self._too_large(stream)
            return
        more = length + PREFIX - stream.arrived + 65536 - stream.window
        if stream.window < STREAM_WINDOW // 2 and more > 0:
            more = min(more, LARGEST - stream.window)
            stream.window += more
            self._connection.sending.out.append(window_update(stream.id, more))

    def _strip(self, stream: Stream) -> None:
        first = stream.body[0]
        stream.body[0] = first[PREFIX:]
        if len(first) == PREFIX and len(stream.body) > 1:
            del stream.body[0]
        stream.size -= PREFIX
        stream.charge(stream.size)

    def _takes(self, stream: Stream, flag: int) -> bool:
        """Return whether flag and encoding are supported; if not, refuse the call."""
        if not flag:
            return True
        if flag != 1 or not stream.head.encoding:
            stream.fail(
                _INTERNAL, "a message is marked as compressed, but there is no grpc-encoding"
            )
            return False
        if stream.head.encoding != b"gzip":
            encoding = stream.head.encoding.decode("ascii", "replace")
            self._connection.sending.fail(
                stream,
                _UNIMPLEMENTED,
                f"grpc-encoding is {encoding!r}, expected gzip or identity",
                _ENCODINGS,
            )
            return False
        return True

    # Streams of messages

    def _end_messages(self, stream: Stream, now: float) -> None:
        if stream.held_back:
            return  # the stream ends after they are passed on
        if stream.size:
            stream.fail(_INTERNAL, "the stream ends within a message")
        else:
            stream.half_closed(now)

    def _hand_over(self, stream: Stream) -> None:
        """Pass on the complete messages, and keep the beginning of the next one."""
        connection = self._connection
        stream.held_back = False
        if stream.size >= PREFIX:
            length = self._prefix(stream)[1]
            if length > connection.server.settings.max_body:
                self._too_large(stream)
            elif length <= stream.size - PREFIX:
                data = b"".join(stream.body)
                rest = data[self._hand_over_some(stream, data) :]
                if not stream.answered:
                    stream.body = [rest] if rest else []
                    stream.size = len(rest)
                    stream.settle()
        if not (stream.answered or stream.held_back) and stream.window < STREAM_WINDOW // 2:
            more = STREAM_WINDOW - stream.window
            stream.window += more
            connection.sending.out.append(window_update(stream.id, more))

    def _hand_over_some(self, stream: Stream, data: bytes) -> int:
        """Pass on messages until it is others' turn; return where the next message begins."""
        limit, pos = self._connection.server.settings.max_body, 0
        if self._turn != self._connection.now:
            self._turn, self._handed_over = self._connection.now, 0
        while self._handed_over < _MESSAGES_AT_ONCE:
            if stream.answered or len(data) - pos < PREFIX:
                return pos
            flag, length = data[pos], U32.unpack_from(data, pos + 1)[0]
            stop = pos + PREFIX + length
            if length > limit:
                self._too_large(stream)
                return pos
            if stop > len(data) or not self._takes(stream, flag):
                return pos
            unsent = stream.unsent
            if unsent is not None and unsent.size > _MOST_UNSENT:
                # A client that does not read its answers must not cause more of them.
                stream.held_back = unsent.holds_back = True
                return pos
            message: bytes | None = data[pos + PREFIX : stop]
            if flag:
                message = self._inflated(stream, data[pos + PREFIX : stop])
            if message is None:
                return pos
            pos = stop
            self._handed_over += 1
            stream.message(message, self._connection.now)
        self.resume(stream)
        return pos

    def resume(self, stream: Stream) -> None:
        """Pass on the messages that are held back, in a later turn of the loop."""
        stream.held_back = True
        self._connection.server.turns.add(partial(self._take_turn, stream))

    def _take_turn(self, stream: Stream) -> bool:
        connection = self._connection
        if stream.id in connection.streams and not stream.answered:
            connection.now = monotonic()
            self._hand_over(stream)
            if stream.whole:
                self.end(stream, connection.now)
            connection.sending.flush()
        return False

    def _inflated(self, stream: Stream, message: bytes) -> bytes | None:
        """Inflate a message of a streaming call; end the stream and return None if it fails."""
        inflater = Inflater(min(self._connection.server.settings.max_body, STREAM_WINDOW))
        inflater.feed(message)
        parts = []
        try:
            while inflater.pending:
                parts.append(inflater.take())
            inflater.finish()
        except Refusal as refusal:
            self._refuse_gzip(stream, refusal)
            return None
        return b"".join(parts)

    # Compressed messages

    def _inflate(self, stream: Stream) -> None:
        """Inflate a message in turns of the loop, as it can become a thousand times as long."""
        inflater = Inflater(self._connection.server.settings.max_body)
        inflater.feed(b"".join(stream.body))
        stream.body = []
        stream.compressed = True
        stream.size = 0
        if self._inflate_on(stream, inflater):
            self._connection.server.turns.add(partial(self._inflate_on, stream, inflater))

    def _inflate_on(self, stream: Stream, inflater: Inflater) -> bool:
        """Inflate another piece; return whether more is left."""
        if stream.answered or self._connection.lost:
            return False
        try:
            data = inflater.take()
            if not inflater.pending:
                inflater.finish()
        except Refusal as refusal:
            self._refuse_gzip(stream, refusal)
            return False
        if data:
            stream.size += len(data)
            if not self._charge(stream, stream.size):
                return False
            stream.body.append(data)
        if inflater.pending:
            return True
        stream.body = stream.body or [b""]
        stream.received(monotonic())
        return False

    def _refuse_gzip(self, stream: Stream, refusal: Refusal) -> None:
        if isinstance(refusal, Malformed):
            stream.fail(_INTERNAL, str(refusal).replace("as Content-Encoding", "as grpc-encoding"))
        elif isinstance(refusal, HttpRefusal):
            self._too_large(stream)
        else:
            stream.refuse(refusal)
