"""Watches whether a worker is alive and how long its runs take."""

from __future__ import annotations

from eas_processor.contracts.call import Call
from eas_processor.link.frames import BULK_SIZE

_HEARTBEATS_MISSED = 15


class Liveness:
    """
    Counts the seconds since a worker's last heartbeat, and the seconds of its runs.

    It counts ticks of the engine's event loop, so that a delay of the engine is not blamed on a
    worker.
    """

    def __init__(self) -> None:
        self._missed = 0
        self._seconds: dict[int, int] = {}
        """The seconds of the oldest call on each channel, by its number."""

    def beat(self) -> None:
        """Note a heartbeat or another frame."""
        self._missed = 0

    def tick(self, held: dict[int, Call]) -> None:
        """Count one second, during which the worker held the calls `held`, oldest first."""
        self._missed += 1
        # Done once a second, so that sending a call costs nothing. The oldest call of a channel is
        # running; later ones may still wait.
        oldest = {call.size > BULK_SIZE: number for number, call in reversed(held.items())}
        self._seconds = {each: self._seconds.get(each, -1) + 1 for each in oldest.values()}

    @property
    def silent(self) -> bool:
        """Whether the last heartbeat is too long ago."""
        return self._missed > _HEARTBEATS_MISSED

    @property
    def longest_run(self) -> int:
        """How many seconds the longest present run has taken at least; 0 for none."""
        return max(self._seconds.values(), default=0)
