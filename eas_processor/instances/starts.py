"""When a failed start is retried, and how long calls wait for an instance."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from time import monotonic

from eas_processor.errors import KilledError, SetupError

_PAUSES_S = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0)
"""The pauses after the first and later failed starts in a row."""
_PATIENCE = 3
"""After so many failed starts in a row, calls no longer wait for an instance."""
_AT_ONCE = 3
_WITHIN_S = 60.0
_KILL_PAUSES_S = (0.25, 0.5, 1.0, 2.0)
"""The pauses after a start that was killed from outside, from kill `_AT_ONCE` + 1 on."""


class Starts:
    """
    Decides when the starts of one service's instances are retried.

    A start that was killed from outside is not counted as a failure and is retried at once, unless
    that happens repeatedly. Any other failure counts until a start succeeds.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._kills: deque[float] = deque()
        self._failures = 0
        self.reason = ""
        """Why the last start failed; empty when one has succeeded since."""

    @property
    def hopeless(self) -> bool:
        """Whether so many starts failed in a row that calls should not wait for the next."""
        return self._failures >= _PATIENCE

    def pause_after(self, error: SetupError) -> float:
        """Note a failure and return the seconds until the next try."""
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
    """Return the pause after failure `number`, from 1 on. The last pause repeats."""
    return pauses[min(number, len(pauses)) - 1] if number > 0 else 0.0
