"""How many bytes the engine holds for clients, all connections together."""

from __future__ import annotations

from time import monotonic
from typing import Protocol

from eas_processor.contracts.refusals import AnswerTooLarge, QueueFull, Refusal

STALLED_S = 5.0
"""
How long a client has read nothing when it may be dropped for the sake of somebody else's large
body or answer. A slow reader is seen to read in bursts: the kernel holds 2.5 MB for it.
"""
_MEASURED_FOR_S = 0.02


class Reader(Protocol):
    """The client of a connection, as the budget knows it; `read_at` is when it last read."""

    read_at: float

    def measure(self, now: float) -> None:
        """Note how much it has read by `now`."""

    def drop(self, why: str) -> None:
        """Close its connection in the middle of an answer."""


class Budget:
    """
    One limit for bodies that arrive, wait and are worked on, and for answers until they are read.

    A body is charged as it arrives, and given back with its answer. An answer above 64 KiB is
    charged as soon as its length is known; what a client leaves unread, and what waits behind an
    answer that is not there yet, until it is sent. `reserve` is left to small bodies: what is
    large, and what is not read, cannot take it. `free` may be below 0 for a moment.
    """

    __slots__ = ("_measured", "dropped", "free", "limit", "reserve", "unread")

    def __init__(self, limit: int, largest_body: int) -> None:
        self.limit = self.free = limit
        self.reserve = max(0, min(limit // 8, limit - largest_body))
        self.unread: dict[Reader, int] = {}
        """Connections whose clients leave answers unread, and how many bytes of them."""
        self.dropped = 0
        """Connections that were closed because their clients did not read."""
        self._measured = 0.0

    def make_fit(self, size: int, *, small: bool = False) -> bool:
        """
        Have `size` bytes of a body or answer fit, and return whether they do now.

        The reserve is for a `small` body alone. Where there is too little memory, clients that
        have stalled are dropped, if that is enough: see `STALLED_S`.
        """
        wanted = size if small else size + self.reserve
        if wanted > self.free:
            self._make_room(wanted)
        return wanted <= self.free

    def body_refusal(self) -> QueueFull:
        """Return the refusal of a body that there is no room for."""
        return QueueFull(
            f"{self.limit - self.free} of {self.limit} bytes for requests and answers are taken "
            "(--max-buffered); try again in a moment"
        )

    @property
    def most(self) -> int:
        """The bytes of the largest answer that can be held."""
        return self.limit - self.reserve

    def answer_refusal(self, size: int) -> Refusal:
        """Return the refusal to send an answer of `size` bytes that there is no room for."""
        most = self.most
        if size > most:
            return AnswerTooLarge(
                f"the answer has {size} bytes, and {most} are held at the most (--max-buffered); "
                "ask for less at a time, or raise that limit"
            )
        return QueueFull(
            f"the answer has {size} bytes, and {max(0, self.free - self.reserve)} of {most} are "
            "free (--max-buffered); try again in a moment"
        )

    def charge_unread(self, client: Reader, unread: int) -> None:
        """Charge what a client has not read, and make room if that is too much."""
        self.note_unread(client, unread)
        if self.free < 0:
            self.drop_unread()

    def note_unread(self, client: Reader, unread: int) -> None:
        """Charge what a client has not read; nothing is charged for one that has read all."""
        self.free += self.unread.pop(client, 0) - unread
        if unread:
            self.unread[client] = unread

    def drop_unread(self) -> None:
        """Drop clients, those first that have read nothing for the longest, until `free` is 0."""
        self._measure()
        while self.free < 0 and self.unread:
            self._drop(min(self.unread, key=_read_at))

    def _make_room(self, wanted: int) -> None:
        """Drop clients that have stalled, if `wanted` bytes are free then."""
        self._measure()
        limit = monotonic() - STALLED_S
        stalled = sorted((each for each in self.unread if each.read_at < limit), key=_read_at)
        if self.free + sum(self.unread[each] for each in stalled) < wanted:
            return
        for each in stalled:
            if self.free >= wanted:
                return
            self._drop(each)

    def _drop(self, client: Reader) -> None:
        unread = self.unread[client]
        self.note_unread(client, 0)
        client.drop(f"{unread} bytes of answers are not read, and the memory is needed")

    def _measure(self) -> None:
        """Give back what clients have read."""
        now = monotonic()
        if now - self._measured < _MEASURED_FOR_S:
            return
        self._measured = now
        for client in list(self.unread):
            client.measure(now)


def _read_at(client: Reader) -> float:
    return client.read_at
