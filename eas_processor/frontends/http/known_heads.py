"""Remembers the heads of requests that are repeated byte for byte, so that they skip the parser."""

from __future__ import annotations

from collections.abc import Mapping

from eas_processor.frontends.http.routes import Route

_END = b"\r\n\r\n"
_MOST = 4
_MOST_BYTES = 8192
"""The most bytes of heads per connection: 10,000 connections hold at most 80 MB."""
# A head with one of these is not remembered, because such a request is treated specially.
_ODD = frozenset(
    [b"expect", b"transfer-encoding", b"content-encoding", b"upgrade", b"x-request-id"]
)


class KnownHead:
    """
    A remembered head: its bytes, its route, and the sizes of its body and of the whole request.

    A client that sends the plain token sends the same head over and over. Comparing its bytes is
    quicker than parsing them: see docs/decisions/known-heads.md. What can change between two
    requests (limits, rate, readiness) is looked at each time.
    """

    __slots__ = ("data", "length", "route", "size", "start")

    def __init__(self, data: bytes, route: Route) -> None:
        self.data = data
        self.route = route
        self.start = len(data)
        self.length = route.head.length
        self.size = self.start + self.length


class KnownHeads:
    """The heads that a connection remembers; `last` is the most recent one."""

    __slots__ = ("_heads", "last")

    def __init__(self) -> None:
        self.last: KnownHead | None = None
        self._heads: list[KnownHead] = []
        """The most recent first."""

    def find(self, data: bytes) -> KnownHead | None:
        """Return the known head that `data` begins with, and make it the most recent, or None."""
        for known in self._heads:
            if data.startswith(known.data):
                self._heads.remove(known)
                self._heads.insert(0, known)
                self.last = known
                return known
        return None

    def learn(self, data: bytes, route: Route, headers: Mapping[bytes, bytes]) -> None:
        """Remember the head that `data` begins with, if its repetitions may skip the parser."""
        head = route.head
        usual = head.keep_alive and not head.old and head.length and data.startswith(head.method)
        if not usual or not route.repeats or not _ODD.isdisjoint(headers):
            return
        begin, end, _ = data.partition(_END)
        if not end:
            return
        known = KnownHead(begin + end, route)
        others = [each for each in self._heads if each.data != known.data]
        self._heads = [known, *others[: _MOST - 1]]
        while len(self._heads) > 1 and sum(each.start for each in self._heads) > _MOST_BYTES:
            self._heads.pop()
        self.last = known
