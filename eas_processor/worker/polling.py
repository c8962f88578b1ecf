"""Polling a socket for a moment before blocking on it, while that is likely to be quicker."""

import os
import time
from typing import List

from eas_processor.link.blocking import FrameReader
from eas_processor.link.frames import Frame

# To block and be woken takes about 40 us on a virtual machine, and what runs then finds its caches
# cold. With one connection, where the next request comes within 100 us of the answer, polling took
# p50 from 232 to 146 us; with 8 connections and batches, requests/s from 19,000 to 27,000; with 32,
# from 43,000 to 57,000: see docs/profile.md.
_POLL_S = 0.0002
# Without batches, requests that arrive while the worker is blocked are cheaper to answer than those
# that it fetches one by one. With more of them on their way than this it is better to block.
_FEW = 8
# After this many polls in a row that found nothing, only each 64th wait polls: the next request
# comes from far away, or seldom.
_MISSES = 3
_NOW_AND_THEN = 64


class Poller:
    """Reads a socket again and again for a moment, where a core is left for it."""

    def __init__(self, reader: FrameReader, *, batches: bool) -> None:
        self._reader = reader
        self._batches = batches
        self._misses = 0
        self._has_a_core = usable_cores() > 1

    def read(self, held_when_sent: int) -> List[Frame]:
        """
        Return the frames that arrive soon; nothing if none does, or if it is better to block.

        `held_when_sent` is how many requests the worker held when the last one was sent to it.
        """
        many = held_when_sent > _FEW and not self._batches
        if many or not self._has_a_core:
            return []
        if self._misses >= _MISSES:
            self._misses += 1
            if self._misses % _NOW_AND_THEN:
                return []
        end = time.perf_counter() + _POLL_S
        while time.perf_counter() < end:
            frames = self._reader.read_arrived()
            if frames:
                self._misses = 0
                return frames
            os.sched_yield()  # to the engine or the client, if one of them waits for this core
        self._misses += 1
        return []


def usable_cores() -> int:
    """Return how many cores this process may run on; 1 where the system does not say."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return 1  # without sched_yield either
