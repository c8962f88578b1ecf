"""The limits for what one client may use."""

from __future__ import annotations

from eas_processor.frontends.grpc.http2.faults import ConnectionFault
from eas_processor.frontends.grpc.http2.frames import ENHANCE_YOUR_CALM

MAX_STREAMS = 1024
"""The most open streams, including those that were reset less than a second ago."""
STREAM_WINDOW = 4 * 1024 * 1024
"""The bytes of one stream that a client may send before the length of its message is known."""
MAX_FRAME = 1024 * 1024
"""The largest frame. DATA is processed as it arrives, so a large frame needs no extra memory."""
MAX_BLOCK = 16 * 1024
"""The largest header block, and the largest header list, in bytes."""
MAX_CONTINUATIONS = 16
MAX_SETTINGS = 32
MAX_NOISE = 10_000
"""The most frames that ask for nothing, beyond those that answered calls allow."""
_NOISE_OF_A_CALL = 8
"""Frames that one call allows. C-core sends two WINDOW_UPDATEs and a PING for each call."""
_NOISE_OF_A_SECOND = 100
"""Frames that each second allows, for the PINGs of clients whose calls last long."""
REMEMBERED = 1024
"""The number of streams that were reset here and whose late frames are ignored."""


class Noise:
    """Counts frames that ask for nothing. Clients that make calls stay below the limit."""

    __slots__ = ("_count",)

    def __init__(self) -> None:
        self._count = 0

    def add(self) -> None:
        """Count one frame. Raises ConnectionFault if there are too many."""
        self._count += 1
        if self._count > MAX_NOISE:
            raise ConnectionFault("too many frames that ask for nothing", ENHANCE_YOUR_CALM)

    def pay(self) -> None:
        """Allow the frames of one call that has ended."""
        count = self._count
        if count > _NOISE_OF_A_CALL:
            self._count = count - _NOISE_OF_A_CALL

    def rest(self) -> None:
        """Allow the frames of one second."""
        self._count = max(0, self._count - _NOISE_OF_A_SECOND)
