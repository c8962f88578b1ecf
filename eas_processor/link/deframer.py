"""Cut a stream of bytes into frames, as the engine's event loop receives it."""

from typing import List, Tuple

from eas_processor.link.frames import HEAD, HEAD_SIZE, Frame


class Deframer:
    """
    Cuts received bytes into frames.

    The payload of each frame is a list of the pieces it was received in, so that large payloads are
    not copied.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._pieces: List[bytes] = []
        self._missing = 0
        self._keeps = True
        self._head: Tuple[int, int, int, int, float] = (0, 0, 0, 0, 0.0)
        self.arriving = 0
        """The full size of the payload that is being received, unless `complete`."""

    def feed(self, data: bytes) -> List[Frame]:
        """Return the frames that `data` completes, in order."""
        frames: List[Frame] = []
        if self._missing:
            if len(data) < self._missing:
                if self._keeps:
                    self._pieces.append(data)
                self._missing -= len(data)
                return frames
            if self._keeps:
                self._pieces.append(data[: self._missing])
            frames.append(self._head + (self._pieces,))
            data = data[self._missing :]
            self._missing = 0
        elif self._rest:
            data = self._rest + data
        start, end = 0, len(data)
        while end - start >= HEAD_SIZE:
            length, kind, codec, status, number, deadline = HEAD.unpack_from(data, start)
            body = start + HEAD_SIZE
            start = body + length
            if start > end:
                self._head = (kind, codec, status, number, deadline)
                self._pieces = [data[body:]]
                self._missing = start - end
                self._keeps = True
                self.arriving = length
                break
            frames.append((kind, codec, status, number, deadline, [data[body:start]]))
        self._rest = data[start:]
        return frames

    @property
    def complete(self) -> bool:
        """Whether no payload is partly received."""
        return not self._missing

    @property
    def number(self) -> int:
        """The request number of the frame that is being received."""
        return self._head[3]

    def replace(self, status: int, payload: bytes) -> None:
        """Discard the payload that is being received; `feed` returns its frame with this one."""
        kind, codec, _, number, deadline = self._head
        self._head = (kind, codec, status, number, deadline)
        self._pieces = [payload]
        self._keeps = False
