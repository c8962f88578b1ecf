"""The DATA of a stream that cannot be sent yet."""

from __future__ import annotations

from collections import deque

from eas_processor.frontends.grpc.http2.frames import DATA, FRAME_HEAD


class Unsent:
    """
    DATA that waits for the client's windows, or for a slow client; `size` bytes are held.

    `queued` tells whether the stream is in the queue, because its own window is open.
    `holds_back` tells whether messages of the client wait until this DATA is sent.
    """

    __slots__ = ("_offset", "_pieces", "holds_back", "queued", "size")

    def __init__(self) -> None:
        self._pieces: deque[bytes] = deque()
        self._offset = 0
        """Bytes of the first piece that have been sent."""
        self.size = 0
        self.queued = False
        self.holds_back = False

    def add(self, pieces: list[bytes]) -> None:
        """Add pieces of DATA, without a copy."""
        for each in pieces:
            if each:
                self._pieces.append(each)
                self.size += len(each)

    def take(self, stream: int, most: int, out: list[bytes | memoryview]) -> int:
        """Append one frame with at most `most` bytes of DATA to `out`; return their number."""
        first, start = self._pieces[0], self._offset
        left = len(first) - start
        size = min(left, most)
        out.append(FRAME_HEAD.pack(size << 8 | DATA, 0, stream))
        out.append(memoryview(first)[start : start + size])
        if size == left:
            self._pieces.popleft()
            self._offset = 0
            # The memory of a piece is freed only as a whole.
            self.size -= len(first)
        else:
            self._offset += size
        return size
