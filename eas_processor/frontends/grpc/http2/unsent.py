"""What a stream has to say and may not send yet."""

from __future__ import annotations

from collections import deque

from eas_processor.frontends.grpc.http2.frames import DATA, FRAME_HEAD


class Unsent:
    """
    DATA that waits for the client's windows, or for its pace; `size` bytes are held for it.

    `queued` is whether the stream's own window is open, so that it takes its turn with others.
    `holds_back` is whether messages of the client wait until this is sent.
    """

    __slots__ = ("_offset", "_pieces", "holds_back", "queued", "size")

    def __init__(self) -> None:
        self._pieces: deque[bytes] = deque()
        self._offset = 0
        """Bytes of the first piece that are sent."""
        self.size = 0
        self.queued = False
        self.holds_back = False

    def add(self, pieces: list[bytes]) -> None:
        """Add DATA; it is kept as it is."""
        for each in pieces:
            if each:
                self._pieces.append(each)
                self.size += len(each)

    def take(self, stream: int, most: int, out: list[bytes | memoryview]) -> int:
        """Put one frame of at most that many bytes into `out`; return how many it has."""
        first, start = self._pieces[0], self._offset
        left = len(first) - start
        size = min(left, most)
        out.append(FRAME_HEAD.pack(size << 8 | DATA, 0, stream))
        out.append(memoryview(first)[start : start + size])
        if size == left:
            self._pieces.popleft()
            self._offset = 0
            # A piece is let go of as a whole.
            self.size -= len(first)
        else:
            self._offset += size
        return size
