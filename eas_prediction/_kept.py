"""
Connections that are kept open, and how far they are trusted.

A NAT or a balancer may drop one without a word: then what is sent on it is answered by nothing.
"""

from __future__ import annotations

import socket
import time
from collections import deque
from typing import Generic, TypeVar

MAX_IDLE_S = 30.0
"""Below the usual times after which silent connections are dropped, which begin at 60 s."""
MAX_AGE_S = 600.0
"""A connection that is always busy would never see an address or a balancer that is new."""
ONCE_IDLE_S = 1.0
"""For a request that may be sent once only, and not again elsewhere."""
SLOW_S = 60.0
"""For how long nothing is sent twice, after a connection that was doubted has answered."""

_PROBED_AFTER_S = 30
_BETWEEN_PROBES_S = 10
_PROBES = 3


def _keep_alive() -> list[tuple[int, int, int]]:
    options = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
    for name, value in (
        ("TCP_KEEPIDLE", _PROBED_AFTER_S),
        ("TCP_KEEPALIVE", _PROBED_AFTER_S),  # what macOS calls it
        ("TCP_KEEPINTVL", _BETWEEN_PROBES_S),
        ("TCP_KEEPCNT", _PROBES),
    ):
        if hasattr(socket, name):
            options.append((socket.IPPROTO_TCP, getattr(socket, name), value))
    return options


KEEP_ALIVE = _keep_alive()
"""Socket options: a path stays open while an answer is computed, and a dead one ends in 60 s."""


class Connection:
    """What is kept; times are those of `time.monotonic()`."""

    __slots__ = ("opened", "since")

    def __init__(self) -> None:
        self.opened = time.monotonic()
        self.since = self.opened
        """When it became idle."""

    def is_over(self) -> bool:
        """Whether nothing more can be asked on it."""
        raise NotImplementedError

    def close(self) -> None:
        """Close it."""
        raise NotImplementedError


C = TypeVar("C", bound=Connection)


class Idle(Generic[C]):
    """The idle connections to one host; used by many threads at once."""

    def __init__(self, max_idle: float | None, max_age: float | None) -> None:
        self._max_idle = float("inf") if max_idle is None else max_idle
        self._max_age = float("inf") if max_age is None else max_age
        # The one used last is used next, so that those not needed any more grow old and close.
        self._waiting: deque[C] = deque()
        self._next_look = 0.0
        self._trusted_until = 0.0

    def put(self, connection: C) -> None:
        """Keep a connection whose answer has been read."""
        now = connection.since = time.monotonic()
        self._waiting.append(connection)
        if now >= self._next_look:
            self._next_look = now + min(self._max_idle, MAX_IDLE_S)
            self.drop(now - self._max_idle)

    def take(self, once: bool) -> C | None:
        """The connection for the next request, `once` for one that may not be sent again."""
        now = time.monotonic()
        longest = ONCE_IDLE_S if once and self._max_idle > ONCE_IDLE_S else self._max_idle
        try:
            while True:
                connection = self._waiting.pop()
                idle, age = now - connection.since, now - connection.opened
                if idle < longest and age < self._max_age and not connection.is_over():
                    return connection
                connection.close()
        except IndexError:
            return None

    def drop(self, moment: float) -> None:
        """Close those that were idle at `moment`."""
        try:
            while True:
                connection = self._waiting.popleft()
                if connection.since > moment:
                    self._waiting.appendleft(connection)
                    return
                connection.close()
        except IndexError:
            return

    def clear(self) -> None:
        """Close all."""
        self.drop(float("inf"))

    @property
    def doubtful(self) -> bool:
        """Whether one that stays silent is taken for dead, and not for slow."""
        return time.monotonic() >= self._trusted_until

    def trust(self) -> None:
        """Take note of one that was doubted and has answered: the service is slow."""
        self._trusted_until = time.monotonic() + SLOW_S
