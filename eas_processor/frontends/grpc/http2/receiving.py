"""Checks the frames that a client sends, and acts on them in order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eas_processor.frontends.grpc.http2 import frames
from eas_processor.frontends.grpc.http2.blocks import Blocks
from eas_processor.frontends.grpc.http2.control import ACTIONS, Control
from eas_processor.frontends.grpc.http2.faults import ConnectionFault, StreamFault
from eas_processor.frontends.grpc.http2.frames import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    ENHANCE_YOUR_CALM,
    FRAME_HEAD,
    FRAME_SIZE_ERROR,
    HEAD_SIZE,
    HEADERS,
    LARGEST,
    PADDED,
    PREFACE,
    STREAM_CLOSED,
    U32,
    WINDOW_UPDATE,
    WITH_PRIORITY,
)
from eas_processor.frontends.grpc.http2.head import StreamHead, are_trailers
from eas_processor.frontends.grpc.http2.limits import (
    MAX_BLOCK,
    MAX_CONTINUATIONS,
    MAX_FRAME,
)
from eas_processor.frontends.grpc.http2.messages import PREFIX, Messages
from eas_processor.frontends.grpc.http2.stream import Method, Stream

if TYPE_CHECKING:
    from eas_processor.frontends.grpc.http2.connection import Http2Connection

_REPLENISHED_AT = LARGEST >> 1
_DATA_IN_PIECES_FROM = 256
"""An unfinished DATA frame is processed in parts from this many bytes on."""


class _Block:
    """A header block that continues in CONTINUATION frames; it began at `since`."""

    __slots__ = ("count", "data", "flags", "since", "stream")

    def __init__(self, stream: int, flags: int, data: bytes, since: float) -> None:
        self.since = since
        self.stream = stream
        self.flags = flags
        self.data = data
        self.count = 0


class Receiving:
    """The receiving side of a connection."""

    __slots__ = (
        "_block",
        "_blocks",
        "_connection",
        "_control",
        "_data_ends",
        "_data_stream",
        "_greeted",
        "_held",
        "_held_since",
        "_last",
        "_missing",
        "_padding",
        "_received",
        "messages",
        "settled",
    )

    def __init__(self, connection: Http2Connection) -> None:
        self._connection = connection
        self._control = Control(connection)
        self.messages = Messages(connection)
        self._blocks: Blocks[tuple[StreamHead, Method]] = Blocks()
        self._held = b""
        """The beginning of a frame that has not arrived completely."""
        self._held_since = 0.0
        self._greeted = False
        self.settled = False
        """Whether the client's first SETTINGS have arrived."""
        self._block: _Block | None = None
        self._last = 0
        self._received = 0
        """Bytes of DATA since the connection's window was last refilled."""
        # State of a DATA frame that has arrived in part
        self._missing = 0
        self._padding = 0
        self._data_stream: Stream | None = None
        self._data_ends = False

    @property
    def last(self) -> int:
        """The highest number of a stream that the client has opened."""
        return self._last

    @property
    def waits_since(self) -> float:
        """When the incomplete frame or header block began; 0.0 for none."""
        if self._block is not None:
            return self._block.since
        return self._held_since if self._held else 0.0

    def take(self, data: bytes) -> None:
        """Act on received bytes. Raises ConnectionFault."""
        goes_on = bool(self._held)
        data, pos = self._begin(data)
        end = len(data)
        connection = self._connection
        while end - pos >= HEAD_SIZE:
            word, flags, number = FRAME_HEAD.unpack_from(data, pos)
            kind, number = word & 0xFF, number & LARGEST
            start = pos + HEAD_SIZE
            stop = start + (word >> 8)
            if stop > end:
                if self._take_part(data[start:], kind, flags, number, word >> 8):
                    return
                break
            try:
                if kind > HEADERS or self._block is not None or not self.settled:
                    self._act(kind, flags, number, data, start, stop)
                elif kind == DATA:
                    self._on_data(data, start, stop, flags, number)
                else:
                    self._on_headers(data, start, stop, flags, number)
            except StreamFault as fault:
                self._reset(fault)
            pos = stop
            if connection.closing:
                return
        if pos < end:
            self._held = data[pos:]
            if pos or not goes_on:
                self._held_since = connection.now

    def _begin(self, data: bytes) -> tuple[bytes, int]:
        """Return `data` after the bytes that were held, and where the next frame begins."""
        if self._held:
            data, self._held = self._held + data, b""
        if not self._greeted:
            data = self._take_preface(data)
        return data, self._take_rest(data) if self._missing or self._padding else 0

    def _act(self, kind: int, flags: int, number: int, data: bytes, start: int, stop: int) -> None:
        """Act on one frame, whose payload is `data[start:stop]`."""
        if self._block is not None or not self.settled:
            self._check_order(kind, flags)
        if kind == DATA:
            self._on_data(data, start, stop, flags, number)
        elif kind == HEADERS:
            self._on_headers(data, start, stop, flags, number)
        elif kind == WINDOW_UPDATE:
            if stop - start != 4:
                sentence = f"WINDOW_UPDATE has {stop - start} bytes, expected 4"
                raise ConnectionFault(sentence, FRAME_SIZE_ERROR)
            self._control.on_window(number, U32.unpack_from(data, start)[0] & LARGEST)
        elif stop - start > MAX_FRAME:
            raise ConnectionFault("a frame is too large", FRAME_SIZE_ERROR)
        elif kind == CONTINUATION:
            self._on_continuation(flags, number, data[start:stop])
        else:
            act = ACTIONS.get(kind, Control.on_unknown)
            act(self._control, flags, number, data[start:stop])

    def _check_order(self, kind: int, flags: int) -> None:
        if not self.settled and (kind != frames.SETTINGS or flags & ACK):
            raise ConnectionFault(f"the first frame has type {kind}, expected SETTINGS")
        if self._block is not None and kind != CONTINUATION:
            raise ConnectionFault(
                f"a frame of type {kind} follows an unfinished header block, expected CONTINUATION"
            )

    def _take_preface(self, data: bytes) -> bytes:
        if not data.startswith(PREFACE):
            if not PREFACE.startswith(data):
                raise ConnectionFault("expected the preface of HTTP/2")
            self._held = data
            return b""
        self._greeted = True
        return data[len(PREFACE) :]

    def _reset(self, fault: StreamFault) -> None:
        connection = self._connection
        connection.noise.add()
        stream = connection.streams.get(fault.stream)
        if stream is not None:
            connection.cancel(stream)
        connection.reset(fault.stream, fault.code)

    # DATA

    def _take_part(self, data: bytes, kind: int, flags: int, stream: int, size: int) -> bool:
        """Process an incomplete frame, if it is DATA; return whether it was processed."""
        if size > (MAX_FRAME if kind == DATA else MAX_BLOCK):
            raise ConnectionFault("a frame is too large", FRAME_SIZE_ERROR)
        if self._block is not None or not self.settled:
            self._check_order(kind, flags)
        if kind != DATA or len(data) < _DATA_IN_PIECES_FROM:
            return False
        self._count(size)
        padding, start = 0, 0
        if flags & PADDED:
            padding, start, size = data[0], 1, size - 1
            if padding > size:
                raise ConnectionFault("padding is longer than its frame")
        found = self._connection.streams.get(stream)
        if found is None or found.whole:
            try:
                self._stray_data(stream)
            except StreamFault as fault:
                self._reset(fault)
            found = None
        elif start:
            found.window -= 1
        self._data_stream = found
        self._data_ends = bool(flags & END_STREAM)
        self._missing, self._padding = size - padding, padding
        self._take_rest(data, start)
        return True

    def _take_rest(self, data: bytes, start: int = 0) -> int:
        """Process more of an incomplete DATA frame; return where the next frame begins."""
        stream = self._data_stream
        part = data[start : start + self._missing]
        self._missing -= len(part)
        pos = start + len(part)
        padding = 0 if self._missing else min(self._padding, len(data) - pos)
        self._padding -= padding
        try:
            if stream is not None and part:
                self.messages.receive(stream, part, len(part) + padding)
            elif stream is not None:
                stream.window -= padding
            if not self._missing and not self._padding:
                self._data_stream = None
                if stream is not None and self._data_ends:
                    self._end(stream)
        except StreamFault as fault:
            self._data_stream = None
            self._reset(fault)
        return pos + padding

    def _on_data(self, data: bytes, start: int, stop: int, flags: int, number: int) -> None:
        self._count(stop - start)
        stream = self._connection.streams.get(number)
        if stream is None or stream.whole:
            self._stray_data(number)
            return
        size = stop - start
        if (
            # The usual call has one frame with the whole message.
            flags & (END_STREAM | PADDED) == END_STREAM
            and not stream.arrived
            and size >= PREFIX
            and data[start] == 0
            and U32.unpack_from(data, start + 1)[0] == size - PREFIX
            and size <= stream.window
            and not stream.streaming
            and (stream.head.length is None or stream.head.length == size)
        ):
            stream.whole = True
            if not stream.answered:
                stream.arrived = size
                self.messages.whole(stream, data[start + PREFIX : stop], self._connection.now)
            return
        if flags & PADDED:
            if start == stop or data[start] >= size:
                raise ConnectionFault("padding is longer than its frame")
            piece = data[start + 1 : stop - data[start]]
        else:
            piece = data[start:stop]
        self.messages.receive(stream, piece, size)
        if flags & END_STREAM:
            self._end(stream)

    def _end(self, stream: Stream) -> None:
        stream.whole = True
        self.messages.end(stream, self._connection.now)

    def _count(self, size: int) -> None:
        """Refill the connection's window, because the socket already slows a client down."""
        self._received += size
        if self._received > _REPLENISHED_AT:
            self._connection.sending.out.append(frames.window_update(0, self._received))
            self._received = 0

    def _stray_data(self, number: int) -> None:
        """Ignore DATA on a stream that was reset here. Raises StreamFault for other streams."""
        self.refuse_idle(number)
        self._connection.noise.add()
        if number not in self._connection.ended_here:
            raise StreamFault(number, STREAM_CLOSED)

    def refuse_idle(self, number: int) -> None:
        """Raise ConnectionFault for a stream that was never opened."""
        if not number or number > self._last or not number & 1:
            raise ConnectionFault("a frame on a stream that was not opened")

    # Header blocks

    def _on_headers(self, data: bytes, start: int, stop: int, flags: int, number: int) -> None:
        if not number & 1:
            raise ConnectionFault(f"HEADERS on stream {number}, expected an odd number")
        depends_on_itself = False
        if flags & (PADDED | WITH_PRIORITY):
            padding = 0
            if flags & PADDED:
                if start == stop or data[start] >= stop - start:
                    raise ConnectionFault("padding is longer than its frame")
                padding = data[start]
                start += 1
            if flags & WITH_PRIORITY:
                if stop - start - padding < 5:
                    raise ConnectionFault("a priority has 5 bytes", FRAME_SIZE_ERROR)
                depends_on_itself = U32.unpack_from(data, start)[0] & LARGEST == number
                start += 5
            stop -= padding
        if stop - start > MAX_BLOCK:
            raise ConnectionFault("a header block is too large", FRAME_SIZE_ERROR)
        block = data[start:stop]
        if flags & END_HEADERS:
            self._on_block(number, flags, block)
        else:
            self._block = _Block(number, flags, block, self._connection.now)
        if depends_on_itself and number in self._connection.streams:
            raise StreamFault(number)

    def _on_continuation(self, flags: int, number: int, payload: bytes) -> None:
        block = self._block
        if block is None or number != block.stream:
            raise ConnectionFault("CONTINUATION without an unfinished header block on its stream")
        block.data += payload
        block.count += 1
        if len(block.data) > MAX_BLOCK or block.count > MAX_CONTINUATIONS:
            raise ConnectionFault("a header block is too large", ENHANCE_YOUR_CALM)
        if flags & END_HEADERS:
            self._block = None
            self._on_block(number, block.flags, block.data)

    def _on_block(self, number: int, flags: int, block: bytes) -> None:
        connection = self._connection
        if number <= self._last:
            self._on_trailers(number, flags, block)
            return
        known = self._blocks.known.get(block)
        if known is not None:
            head, method = known
        else:
            fields, again = self._blocks.decode(block)
            head = connection.heads.find(fields)
            method = connection.method_of(head)
            if again and not head.malformed:
                self._blocks.learn(block, (head, method))
        self._last = number
        connection.begin(number, head, method, ends=bool(flags & END_STREAM))

    def _on_trailers(self, number: int, flags: int, block: bytes) -> None:
        fields, _ = self._blocks.decode(block)
        connection = self._connection
        stream = connection.streams.get(number)
        if stream is None:
            if number in connection.ended_here:
                connection.noise.add()
                return
            raise ConnectionFault("HEADERS on a stream that has ended", STREAM_CLOSED)
        if stream.whole:
            raise ConnectionFault("HEADERS on a stream that the client has ended", STREAM_CLOSED)
        if not flags & END_STREAM or not are_trailers(fields):
            raise StreamFault(number)
        self._end(stream)
