"""How much of everything a client may use, and how long it may take."""

from __future__ import annotations

from eas_processor.frontends.grpc.http2.faults import ConnectionFault
from eas_processor.frontends.grpc.http2.frames import ENHANCE_YOUR_CALM

MAX_STREAMS = 1024
"""Open at a time, those included that were reset less than a second ago."""
STREAM_WINDOW = 4 * 1024 * 1024
"""Bytes of one stream that may come before its message's length is known."""
MAX_FRAME = 1024 * 1024
"""Announced; DATA is taken as it comes, so a large frame takes no memory of its own."""
MAX_BLOCK = 16 * 1024
"""Of a header block, and of the header list that it stands for."""
MAX_CONTINUATIONS = 16
MAX_SETTINGS = 32
MAX_NOISE = 10_000
"""Frames that ask for nothing, beyond those that the answered calls allow."""
_NOISE_OF_A_CALL = 8
"""C-core sends two WINDOW_UPDATEs and a PING beside the two frames of a call."""
_NOISE_OF_A_SECOND = 100
"""A client whose calls last for days still asks whether the server is there."""
REMEMBERED = 1024
"""Streams that were reset here, and whose late frames are ignored."""


class Noise:
    """Counts frames that ask for nothing; a client that answers its keep stays below the limit."""

    __slots__ = ("_count",)

    def __init__(self) -> None:
        self._count = 0

    def add(self) -> None:
        """Count one. Raises ConnectionFault when there are too many."""
        self._count += 1
        if self._count > MAX_NOISE:
            raise ConnectionFault("too many frames that ask for nothing", ENHANCE_YOUR_CALM)

    def pay(self) -> None:
        """Allow the frames that come with one call, which is over."""
        count = self._count
        if count > _NOISE_OF_A_CALL:
            self._count = count - _NOISE_OF_A_CALL

    def rest(self) -> None:
        """Allow the frames of a second."""
        self._count = max(0, self._count - _NOISE_OF_A_SECOND)
