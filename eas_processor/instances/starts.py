"""When a start that did not succeed is tried again, and how long calls are told to wait for it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from time import monotonic

from eas_processor.errors import KilledError, SetupError

_PAUSES_S = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0)
"""After a start that failed for a reason of its own."""
_PATIENCE = 3
"""Starts that may fail in a row before nobody is told to wait for an instance any more."""
_AT_ONCE = 3
_WITHIN_S = 60.0
_KILL_PAUSES_S = (0.25, 0.5, 1.0, 2.0)
"""After a start that was killed from outside, once there were `_AT_ONCE` within `_WITHIN_S`."""


class Starts:
    """
    The starts of one service's instances.

    One that somebody has killed is tried again at once and counts for nothing, unless that happens
    again and again. Any other failure counts, until a start succeeds.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._kills: deque[float] = deque()
        self._failures = 0
        self.reason = ""
        """Why the last start failed; empty when one has succeeded since."""

    @property
    def hopeless(self) -> bool:
        """Whether so many have failed in a row that calls should not wait for the next."""
        return self._failures >= _PATIENCE

    def pause_after(self, error: SetupError) -> float:
        """Note a failure; return the seconds until the next try."""
        if isinstance(error, KilledError):
            return self._pause_after_kill()
        self._failures += 1
        self.reason = str(error)
        return _nth(_PAUSES_S, self._failures)

    def succeeded(self) -> None:
        """Note that an instance has become ready."""
        self._failures, self.reason = 0, ""

    def _pause_after_kill(self) -> float:
        now = self._clock()
        self._kills.append(now)
        while self._kills[0] <= now - _WITHIN_S:
            self._kills.popleft()
        return _nth(_KILL_PAUSES_S, len(self._kills) - _AT_ONCE)


def _nth(pauses: tuple[float, ...], number: int) -> float:
    """Return the pause after failure `number`, from 1 on: the last one again and again."""
    return pauses[min(number, len(pauses)) - 1] if number > 0 else 0.0
