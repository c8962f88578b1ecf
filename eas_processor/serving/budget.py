"""The limit for bytes that the engine holds for clients, over all connections."""

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
After how many seconds without reading a client counts as stalled. A stalled client may be dropped
when another client needs the memory. A slow reader appears to read in bursts, because the kernel
buffers 2.5 MB for it.
"""
_MEASURED_FOR_S = 0.02


class Reader(Protocol):
    """
    The client of a connection, as the budget sees it.

    `read_at` is when it last read. `account` is the account of the last large answer to it.
    """

    read_at: float
    account: Account | None

    def measure(self, now: float) -> None:
        """Update how much it has read until `now`."""

    def drop(self, why: str) -> None:
        """Close its connection in the middle of an answer."""


class Budget:
    """
    One limit for bodies until they are answered, and for answers until they are read.

    A body is charged as it arrives and released with its answer. An answer above 64 KiB is charged
    as soon as its length is known. Unread answers, and answers that wait behind an earlier one, are
    charged until they are sent. `reserve` is kept for small bodies: large bodies, large answers and
    unread answers cannot use it. `free` may be negative for a moment.

    Bodies and answers above 64 KiB are also charged to the account of their service. If there are
    several services, each has a part (`parts`) that the others' large bodies and answers cannot
    use.
    """

    __slots__ = ("_measured", "dropped", "free", "limit", "parts", "reserve", "unread")

    def __init__(self, limit: int, largest_body: int) -> None:
        self.limit = self.free = limit
        self.reserve = max(0, min(limit // 8, limit - largest_body))
        self.parts = FairParts(limit, self.reserve, largest_body)
        self.unread: dict[Reader, tuple[int, Account | None]] = {}
        """Clients with unread answers: the number of bytes, and the account they are charged to."""
        self.dropped = 0
        """The number of connections that were closed because their clients did not read."""
        self._measured = 0.0

    def make_fit(self, size: int, account: Account | None = None, *, small: bool = False) -> bool:
        """
        Return whether `size` more bytes of a body or answer fit, after making room if needed.

        Only a `small` body may use the reserve; it needs no account. If memory is short, stalled
        clients (`STALLED_S`) are dropped, but only if that frees enough.
        """
        if small:
            if size > self.free:
                self._make_room(size - self.reserve, None)  # `_wanted` adds the reserve
            return size <= self.free
        if self._wanted(size, account) > self.free:
            self._make_room(size, account)
        return self._wanted(size, account) <= self.free

    def charge(self, account: Account | None, before: int, after: int) -> None:
        """Charge `after` bytes for a body or answer, instead of the `before` bytes until now."""
        self.free += before - after
        if account is not None and (before > BULK_SIZE or after > BULK_SIZE):
            large = after if after > BULK_SIZE else 0
            self.parts.hold(account, large - (before if before > BULK_SIZE else 0))

    def body_refusal(self, size: int = 0, account: Account | None = None) -> QueueFull:
        """Return the refusal of a body that needs `size` more bytes than are free."""
        kept = self.parts.kept_from(account, size)
        for_others = f", and {kept} are reserved for other services" if kept else ""
        return QueueFull(
            f"{self.limit - self.free} of {self.limit} bytes for requests and answers are in use"
            f"{for_others} (--max-buffered); try again in a moment"
        )

    def most(self, account: Account | None = None) -> int:
        """Return the size in bytes of the largest answer that can be held."""
        return self.limit - self.reserve - self.parts.most_kept_from(account)

    def answer_refusal(self, size: int, account: Account | None = None) -> Refusal:
        """Return the refusal that replaces an answer of `size` bytes which does not fit."""
        most = self.most(account)
        if size > most:
            return AnswerTooLarge(
                f"the answer has {size} bytes, more than the limit of {most} (--max-buffered); "
                "request less at a time, or raise the limit"
            )
        kept = self.reserve + self.parts.kept_from(account, size)
        free = max(0, self.free - kept)
        return QueueFull(
            f"the answer has {size} bytes, but only {free} of {most} are free (--max-buffered); "
            "try again in a moment"
        )

    def charge_unread(self, client: Reader, unread: int) -> None:
        """Charge the bytes that a client has not read, and drop clients if the limit is passed."""
        self.note_unread(client, unread)
        if self.free < 0:
            self.drop_unread()

    def note_unread(self, client: Reader, unread: int) -> None:
        """Charge the bytes that a client has not read, instead of those charged before."""
        if (before := self.unread.pop(client, None)) is not None:
            size, account = before
            self.charge(account, size, 0)
        if unread:
            account = client.account if unread > BULK_SIZE else None
            self.unread[client] = unread, account
            self.charge(account, 0, unread)

    def drop_unread(self) -> None:
        """
        Drop clients until `free` is not negative, beginning with those that read longest ago.

        Clients that have not stalled and are within the part of their service are dropped last.
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
        """Return how many bytes have to be free so that `size` more fit, small bodies aside."""
        return size + self.reserve + self.parts.kept_from(account, size, returned)

    def _make_room(self, size: int, account: Account | None) -> None:
        """Drop stalled clients, if that frees enough for `size` more bytes."""
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
            # Bytes that return to the part of another service do not help this one.
            if unread > self._wanted(size, account, Counter({payer: unread})) - wanted:
                self._drop(each)

    def _drop(self, client: Reader) -> None:
        unread, _ = self.unread[client]
        self.note_unread(client, 0)
        client.drop(f"it has not read {unread} bytes of answers, and the memory is needed")

    def _measure(self) -> None:
        """Release the bytes that clients have read."""
        now = monotonic()
        if now - self._measured < _MEASURED_FOR_S:
            return
        self._measured = now
        for client in list(self.unread):
            client.measure(now)


def _read_at(client: Reader) -> float:
    return client.read_at
