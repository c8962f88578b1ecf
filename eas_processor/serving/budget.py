"""How many bytes the engine holds for clients, all connections together."""

from __future__ import annotations

from collections import Counter
from time import monotonic
from typing import Protocol

from eas_processor.contracts.account import Account
from eas_processor.contracts.refusals import AnswerTooLarge, QueueFull, Refusal
from eas_processor.link.frames import BULK_SIZE
from eas_processor.serving.fair_parts import FairParts

STALLED_S = 5.0
"""
How long a client has read nothing when it may be dropped for the sake of somebody else's large
body or answer. A slow reader is seen to read in bursts: the kernel holds 2.5 MB for it.
"""
_MEASURED_FOR_S = 0.02


class Reader(Protocol):
    """
    The client of a connection, as the budget knows it.

    `read_at` is when it last read, `account` whose large answer it was sent last.
    """

    read_at: float
    account: Account | None

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

    What is above 64 KiB is also noted in the account of its service, if it has one: several
    services have `parts` that the others' large bodies and answers cannot take.
    """

    __slots__ = ("_measured", "dropped", "free", "limit", "parts", "reserve", "unread")

    def __init__(self, limit: int, largest_body: int) -> None:
        self.limit = self.free = limit
        self.reserve = max(0, min(limit // 8, limit - largest_body))
        self.parts = FairParts(limit, self.reserve, largest_body)
        self.unread: dict[Reader, tuple[int, Account | None]] = {}
        """Connections whose clients leave answers unread, how many bytes, and who pays."""
        self.dropped = 0
        """Connections that were closed because their clients did not read."""
        self._measured = 0.0

    def make_fit(self, size: int, account: Account | None = None, *, small: bool = False) -> bool:
        """
        Have `size` bytes more of a body or answer fit, and return whether they do now.

        The reserve is for a `small` body alone, which needs no account either. Where there is too
        little memory, clients that have stalled are dropped, if that is enough: see `STALLED_S`.
        """
        if small:
            if size > self.free:
                self._make_room(size - self.reserve, None)  # the reserve is added there
            return size <= self.free
        if self._wanted(size, account) > self.free:
            self._make_room(size, account)
        return self._wanted(size, account) <= self.free

    def charge(self, account: Account | None, before: int, after: int) -> None:
        """Charge `after` bytes for a body or answer that was charged `before` bytes until now."""
        self.free += before - after
        if account is not None and (before > BULK_SIZE or after > BULK_SIZE):
            large = after if after > BULK_SIZE else 0
            self.parts.hold(account, large - (before if before > BULK_SIZE else 0))

    def body_refusal(self, size: int = 0, account: Account | None = None) -> QueueFull:
        """Return the refusal of `size` bytes more of a body, which there is no room for."""
        kept = self.parts.kept_from(account, size)
        for_others = f", and {kept} are kept for other services" if kept else ""
        return QueueFull(
            f"{self.limit - self.free} of {self.limit} bytes for requests and answers are taken"
            f"{for_others} (--max-buffered); try again in a moment"
        )

    def most(self, account: Account | None = None) -> int:
        """Return the bytes of the largest answer that can be held."""
        return self.limit - self.reserve - self.parts.most_kept_from(account)

    def answer_refusal(self, size: int, account: Account | None = None) -> Refusal:
        """Return the refusal to send an answer of `size` bytes that there is no room for."""
        most = self.most(account)
        if size > most:
            return AnswerTooLarge(
                f"the answer has {size} bytes, and {most} are held at the most (--max-buffered); "
                "ask for less at a time, or raise that limit"
            )
        kept = self.reserve + self.parts.kept_from(account, size)
        free = max(0, self.free - kept)
        return QueueFull(
            f"the answer has {size} bytes, and {free} of {most} are free (--max-buffered); "
            "try again in a moment"
        )

    def charge_unread(self, client: Reader, unread: int) -> None:
        """Charge what a client has not read, and make room if that is too much."""
        self.note_unread(client, unread)
        if self.free < 0:
            self.drop_unread()

    def note_unread(self, client: Reader, unread: int) -> None:
        """Charge what a client has not read; nothing is charged for one that has read all."""
        if (before := self.unread.pop(client, None)) is not None:
            size, account = before
            self.charge(account, size, 0)
        if unread:
            account = client.account if unread > BULK_SIZE else None
            self.unread[client] = unread, account
            self.charge(account, 0, unread)

    def drop_unread(self) -> None:
        """
        Drop clients, those first that have read nothing for the longest, until `free` is 0.

        One that has not stalled and is within the part of its service goes last.
        """
        self._measure()
        limit = monotonic() - STALLED_S

        def order(client: Reader) -> tuple[bool, float]:
            _, account = self.unread[client]
            return client.read_at >= limit and self.parts.covers(account), client.read_at

        while self.free < 0 and self.unread:
            self._drop(min(self.unread, key=order))

    def _wanted(
        self,
        size: int,
        account: Account | None,
        returned: Counter[Account | None] | None = None,
    ) -> int:
        """Return how much has to be free for `size` bytes more that are not a small body's."""
        return size + self.reserve + self.parts.kept_from(account, size, returned)

    def _make_room(self, size: int, account: Account | None) -> None:
        """Drop clients that have stalled, if what is wanted for `size` bytes is free then."""
        self._measure()
        limit = monotonic() - STALLED_S
        stalled = sorted((each for each in self.unread if each.read_at < limit), key=_read_at)
        returned: Counter[Account | None] = Counter()
        for each in stalled:
            unread, payer = self.unread[each]
            returned[payer] += unread
        if self.free + returned.total() < self._wanted(size, account, returned):
            return
        for each in stalled:
            wanted = self._wanted(size, account)
            if self.free >= wanted:
                return
            unread, payer = self.unread[each]
            # What goes back to the part of another service helps nobody else.
            if unread > self._wanted(size, account, Counter({payer: unread})) - wanted:
                self._drop(each)

    def _drop(self, client: Reader) -> None:
        unread, _ = self.unread[client]
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
