"""
Keeps connections open for reuse, and decides how long they are trusted.

A NAT or a load balancer may drop an idle connection silently. A request on it is never answered.
"""

from __future__ import annotations

import socket
import time
from collections import deque
from typing import Generic, TypeVar

MAX_IDLE_S = 30.0
"""The longest idle time. Networks usually drop silent connections after 60 s or more."""
MAX_AGE_S = 600.0
"""The longest life. A busy connection would otherwise never notice a changed address."""
ONCE_IDLE_S = 1.0
"""The longest idle time for a request that must not be sent twice."""
SLOW_S = 60.0
"""How long silent connections are trusted after a doubted one has answered."""

_PROBED_AFTER_S = 30
_BETWEEN_PROBES_S = 10
_PROBES = 3


def _keep_alive() -> list[tuple[int, int, int]]:
    options = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
    for name, value in (
        ("TCP_KEEPIDLE", _PROBED_AFTER_S),
        ("TCP_KEEPALIVE", _PROBED_AFTER_S),  # the name on macOS
        ("TCP_KEEPINTVL", _BETWEEN_PROBES_S),
        ("TCP_KEEPCNT", _PROBES),
    ):
        if hasattr(socket, name):
            options.append((socket.IPPROTO_TCP, getattr(socket, name), value))
    return options


KEEP_ALIVE = _keep_alive()
"""Socket options that keep a connection alive while an answer is computed, and end a dead one."""


class Connection:
    """A connection that can be kept. Times are those of `time.monotonic()`."""

    __slots__ = ("opened", "since")

    def __init__(self) -> None:
        self.opened = time.monotonic()
        self.since = self.opened
        """When it became idle."""

    def is_over(self) -> bool:
        """Whether it cannot carry another request."""
        raise NotImplementedError

    def close(self) -> None:
        """Close it."""
        raise NotImplementedError


C = TypeVar("C", bound=Connection)


class Idle(Generic[C]):
    """The idle connections to one host. Many threads may use it at the same time."""

    def __init__(self, max_idle: float | None, max_age: float | None) -> None:
        self._max_idle = float("inf") if max_idle is None else max_idle
        self._max_age = float("inf") if max_age is None else max_age
        # The last used connection is used next, so that unneeded ones become idle and are closed.
        self._waiting: deque[C] = deque()
        self._next_look = 0.0
        self._trusted_until = 0.0

    def put(self, connection: C) -> None:
        """Keep a connection after its answer has been read."""
        now = connection.since = time.monotonic()
        self._waiting.append(connection)
        if now >= self._next_look:
            self._next_look = now + min(self._max_idle, MAX_IDLE_S)
            self.drop(now - self._max_idle)

    def take(self, once: bool) -> C | None:
        """Return a connection, or None; `once` tells that the request must not be sent twice."""
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
        """Close the connections that have been idle since `moment` or longer."""
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
        """Close all connections."""
        self.drop(float("inf"))

    @property
    def doubtful(self) -> bool:
        """Whether a silent connection is considered dead rather than slow."""
        return time.monotonic() >= self._trusted_until

    def trust(self) -> None:
        """Note that a doubted connection has answered, so that the service is only slow."""
        self._trusted_until = time.monotonic() + SLOW_S
