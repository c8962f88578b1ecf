"""The interfaces between the load and its connections."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol


class Sender(Protocol):
    """Sends one request at a time: an HTTP/1.1 connection, or a lane of an HTTP/2 connection."""

    since: float | None
    """When the open request was, or should have been, sent; None while idle."""

    def send(self, request: Any, since: float) -> None:
        """Send a request, as this protocol builds it; its latency counts from `since`."""

    def give_up(self) -> None:
        """Stop waiting for the open answer, so that another request can follow."""

    def close(self) -> None:
        """Close the connection without waiting for answers."""


class Owner(Protocol):
    """The owner of senders, to which they report the outcome of each request."""

    def answered(
        self, sender: Any, status: int, since: float, now: float, *, reusable: bool
    ) -> None:
        """Take a complete answer; `reusable` tells whether the sender takes another request."""

    def broken(self, sender: Any, reason: str) -> None:
        """Note that the answer to the open request cannot be parsed, or will not arrive."""

    def free(self, sender: Any) -> None:
        """Note that a sender that was given up takes requests again."""

    def lost(self, senders: Sequence[Any], reason: Exception | None) -> None:
        """Note that a connection has ended, with all its senders."""
