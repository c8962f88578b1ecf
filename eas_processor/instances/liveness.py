"""What tells whether a worker lives, and gets on with its calls."""

from __future__ import annotations

from eas_processor.contracts.call import Call
from eas_processor.link.frames import BULK_SIZE

_HEARTBEATS_MISSED = 15


class Liveness:
    """
    Counts the seconds since a worker's last sign of life, and those of its runs.

    They are counted in ticks of the engine's loop, so that an engine that was held up does not
    blame a worker.
    """

    def __init__(self) -> None:
        self._missed = 0
        self._seconds: dict[int, int] = {}
        """Of the oldest call on each channel, by its number."""

    def beat(self) -> None:
        """Note a sign of life."""
        self._missed = 0

    def tick(self, held: dict[int, Call]) -> None:
        """Count a second, in which the worker held these calls, oldest first."""
        self._missed += 1
        # Each second, not when it is sent: a call on its way takes no time for this. The oldest of
        # a channel is in a run; what was sent after it may still wait.
        oldest = {call.size > BULK_SIZE: number for number, call in reversed(held.items())}
        self._seconds = {each: self._seconds.get(each, -1) + 1 for each in oldest.values()}

    @property
    def silent(self) -> bool:
        """Whether there was no sign of life for too long."""
        return self._missed > _HEARTBEATS_MISSED

    @property
    def longest_run(self) -> int:
        """The seconds that a run has taken at least; 0 for none."""
        return max(self._seconds.values(), default=0)
