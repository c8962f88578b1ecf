"""What the load knows of a connection, and a connection of the load."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol


class Sender(Protocol):
    """One request at a time: a connection of HTTP/1.1, or a lane of one of HTTP/2."""

    since: float | None
    """When the open request was, or should have been, sent; None while idle."""

    def send(self, request: Any, since: float) -> None:
        """Send a request, as this protocol builds it; its latency counts from `since`."""

    def give_up(self) -> None:
        """Wait no more for the open answer, so that another request can follow."""

    def close(self) -> None:
        """Close the connection without waiting for answers."""


class Owner(Protocol):
    """Who is told what comes of the requests of a sender."""

    def answered(
        self, sender: Any, status: int, since: float, now: float, *, reusable: bool
    ) -> None:
        """An answer is whole; `reusable` tells whether the sender takes another request."""

    def broken(self, sender: Any, reason: str) -> None:
        """The answer to the open request cannot be read, or will not come."""

    def free(self, sender: Any) -> None:
        """A sender that was given up takes requests again."""

    def lost(self, senders: Sequence[Any], reason: Exception | None) -> None:
        """A connection has ended, with all its senders."""
