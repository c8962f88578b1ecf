"""Write calls as far as the flow-control windows of the server allow."""

from __future__ import annotations

from collections.abc import Callable

from eas_processor.bench.grpc.call import Call
from eas_processor.bench.grpc.frames import DATA, END_STREAM, FRAME_SIZE, WINDOW, frame

_LARGEST_FRAME = 1 << 20


class _Message:
    """The unsent rest of a message, and the bytes that its stream may carry now."""

    __slots__ = ("left", "window")

    def __init__(self, content: bytes, window: int) -> None:
        self.left = memoryview(content)
        self.window = window


class Sending:
    """Writes calls, at once if they fit into one frame and the windows, else in pieces."""

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self._write = write
        self._window = WINDOW
        self._initial = WINDOW
        self._frame = FRAME_SIZE
        self._at_once = FRAME_SIZE
        """Messages up to this size fit into one frame and a new stream's window."""
        self._waiting: dict[int, _Message] = {}

    def send(self, stream: int, call: Call) -> None:
        """Write a call, or its headers and as much of its message as is allowed."""
        number = stream.to_bytes(4, "big")
        size = len(call.message)
        if size <= self._at_once and size <= self._window and not self._waiting:
            self._window -= size
            self._write(b"".join((call.head, number, call.block, number, call.message)))
            return
        self._write(b"".join((call.head, number, call.header_block)))
        self._waiting[stream] = _Message(call.message, self._initial)
        self._pump()

    def drop(self, stream: int) -> bool:
        """Stop writing a message, and return whether a part of it was unsent."""
        return self._waiting.pop(stream, None) is not None

    def grow(self, stream: int, increment: int) -> None:
        """Note that the other side accepts more bytes on a stream, or on all of them (0)."""
        if not stream:
            self._window += increment
        elif stream in self._waiting:
            self._waiting[stream].window += increment
        self._pump()

    def allow(self, initial: int | None, frame_size: int | None) -> None:
        """Apply the other side's stream window and frame size."""
        if initial is not None:
            for message in self._waiting.values():
                message.window += initial - self._initial
            self._initial = initial
        if frame_size is not None:
            self._frame = min(frame_size, _LARGEST_FRAME)
        self._at_once = min(FRAME_SIZE, self._initial)
        self._pump()

    def _pump(self) -> None:
        """Write a piece of each waiting message in turn, until the windows are closed."""
        moved = True
        while moved and self._window > 0:
            moved = False
            for stream, message in list(self._waiting.items()):
                size = min(self._frame, self._window, message.window, len(message.left))
                if size > 0:
                    self._piece(stream, message, size)
                    moved = True

    def _piece(self, stream: int, message: _Message, size: int) -> None:
        self._window -= size
        message.window -= size
        piece, message.left = message.left[:size], message.left[size:]
        last = not message.left
        if last:
            del self._waiting[stream]
        self._write(frame(DATA, END_STREAM if last else 0, stream, bytes(piece)))
