"""How many requests a second are let in."""

from __future__ import annotations

from time import monotonic


class RateLimit:
    """A bucket that holds the requests of one second and is refilled at the same rate."""

    def __init__(self, per_second: float) -> None:
        self._rate = per_second
        self._tokens = per_second
        self._filled = monotonic()

    def take(self) -> bool:
        """Let one request in, if the rate allows."""
        now = monotonic()
        self._tokens = min(self._rate, self._tokens + (now - self._filled) * self._rate)
        self._filled = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
