"""Poll a socket for a moment before blocking on it, when that is likely to be faster."""

import os
import time
from typing import List

from eas_processor.link.blocking import FrameReader
from eas_processor.link.frames import Frame

# Blocking and waking up takes long on a virtual machine, and leaves the caches cold.
# The figures are in docs/decisions/polling.md.
_POLL_S = 0.0002
# Without batches, a worker that blocks answers several requests at once, which is cheaper than
# fetching them one by one. So it polls only while it holds at most this many.
_MAX_HELD = 8
# After this many polls in a row without a request, only every 64th wait polls: the clients are far
# away, or send seldom.
_MAX_MISSES = 3
_SELDOM = 64


class Poller:
    """Polls a socket for a short time before the worker blocks on it, if there is a second core."""

    def __init__(self, reader: FrameReader, *, batches: bool) -> None:
        self._reader = reader
        self._batches = batches
        self._misses = 0
        self._has_a_core = usable_cores() > 1

    def read(self, held_when_sent: int) -> List[Frame]:
        """
        Return the frames that arrive within 0.2 ms; nothing if none does, or if blocking is better.

        `held_when_sent` is the number of requests that the worker held when the engine sent the
        latest one.
        """
        many = held_when_sent > _MAX_HELD and not self._batches
        if many or not self._has_a_core:
            return []
        if self._misses >= _MAX_MISSES:
            self._misses += 1
            if self._misses % _SELDOM:
                return []
        end = time.perf_counter() + _POLL_S
        while time.perf_counter() < end:
            frames = self._reader.read_arrived()
            if frames:
                self._misses = 0
                return frames
            os.sched_yield()  # The engine or the client may be waiting for this core.
        self._misses += 1
        return []


def usable_cores() -> int:
    """Return the number of cores that this process may use, or 1 if the system does not tell."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return 1  # Such a system has no sched_yield, either.
