"""When calls are late: one line for each time limit, in the order in which its calls began."""

from __future__ import annotations

import asyncio
import heapq
from collections import OrderedDict
from collections.abc import Callable, Iterator
from time import monotonic

from eas_processor.contracts.call import Call

_Line = OrderedDict[int, Call]


class Deadlines:
    """
    Watches the deadlines of calls that have begun, with one timer for all of them.

    Calls of one time limit are late in the order in which they began, so a line needs no sorting:
    most services have one limit. A call that brings a deadline of its own goes into a heap.
    `on_late` is called with each call whose time is over, and its limit (0.0 for one of its own);
    it has to `end` the call.
    """

    def __init__(self, on_late: Callable[[Call, float], None]) -> None:
        self._on_late = on_late
        self._lines: dict[float, _Line] = {}
        self._own: dict[int, Call] = {}
        self._heap: list[tuple[float, int]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0
        """When the timer fires, while there is one."""

    def __len__(self) -> int:
        """Return how many calls are watched."""
        return sum(map(len, self._lines.values())) + len(self._own)

    def watch(self, call: Call, limit: float) -> None:
        """Watch a call whose time, `limit` seconds, began later than that of all before it."""
        line = self._lines.get(limit)
        if line is None:
            line = self._lines[limit] = OrderedDict()
        line[call.number] = call
        call.line = line
        if self._timer is None or call.deadline < self._due:
            self._arm(call.deadline)

    def watch_own(self, call: Call) -> None:
        """Watch a call that brings its own deadline."""
        self._own[call.number] = call
        call.line = self._own
        heapq.heappush(self._heap, (call.deadline, call.number))
        if self._timer is None or call.deadline < self._due:
            self._arm(call.deadline)

    def end(self, call: Call) -> None:
        """Watch a call no longer; nothing happens for one that is not watched."""
        line = call.line
        if line is not None:
            line.pop(call.number, None)
            call.line = None

    def _arm(self, due: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._due = due
        delay = max(0.0, due - monotonic())
        self._timer = asyncio.get_running_loop().call_later(delay, self._expire)

    def _expire(self) -> None:
        self._timer = None
        now = monotonic()
        for limit, line in list(self._lines.items()):
            while line and (call := next(iter(line.values()))).deadline <= now:
                self._on_late(call, limit)
            if not line:
                del self._lines[limit]
        while self._heap and self._heap[0][0] <= now:
            number = heapq.heappop(self._heap)[1]
            if number in self._own:
                self._on_late(self._own[number], 0.0)
        if (due := min(self._next(), default=None)) is not None:
            self._arm(due)

    def _next(self) -> Iterator[float]:
        """Yield the earliest deadline of each line, and that of the heap."""
        for line in self._lines.values():
            yield next(iter(line.values())).deadline
        while self._heap and self._heap[0][1] not in self._own:
            heapq.heappop(self._heap)
        if self._heap:
            yield self._heap[0][0]
