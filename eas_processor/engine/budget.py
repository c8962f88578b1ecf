"""How many bytes the engine holds for clients, all connections together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eas_processor.errors import QueueFull

if TYPE_CHECKING:
    from eas_processor.engine.answering import Answering


class Budget:
    """
    One limit for bodies that arrive, wait and are worked on, and for answers that are kept.

    A body is charged with its announced length when it is let in, or piece by piece where that is
    not known, and given back with its answer. Answers are kept for clients that do not read, and
    behind one that is not there yet. `free` may be below 0 for a moment.
    """

    __slots__ = ("blocked", "free", "limit")

    def __init__(self, limit: int) -> None:
        self.limit = self.free = limit
        self.blocked: dict[Answering, int] = {}
        """Connections whose clients do not read, the longest first, and their unread bytes."""

    def refusal(self) -> QueueFull:
        """Return the refusal of a body that there is no room for."""
        return QueueFull(
            f"{self.limit - self.free} of {self.limit} bytes for requests are taken "
            "(--max-buffered); try again in a moment"
        )

    def charge_unread(self, connection: Answering, unread: int) -> None:
        """Charge what a client has not read, and make room if that is too much."""
        self.free -= unread - self.blocked.get(connection, 0)
        self.blocked[connection] = unread
        self.drop_unread()

    def drop_unread(self) -> None:
        """Drop clients that do not read, the longest first, while more is held than may be."""
        while self.free < 0 and self.blocked:
            oldest = next(iter(self.blocked))
            self.give_back_unread(oldest)
            oldest.abort()

    def give_back_unread(self, connection: Answering) -> None:
        """Take it that a client reads again, or is gone."""
        self.free += self.blocked.pop(connection, 0)
