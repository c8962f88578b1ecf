"""Watches the deadlines of calls, in one queue for each time limit."""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict
from collections.abc import Callable, Iterator
from time import monotonic

from eas_processor.contracts.call import Call

_Line = OrderedDict[int, Call]
_STEPS = 32
"""A limit that a call brings is rounded up to one of so many steps between powers of two."""


class Deadlines:
    """
    Watches the deadlines of calls that have begun, with one timer for all of them.

    Calls with the same time limit expire in the order in which they began, so each limit has a
    queue (`Call.line`) that needs no sorting. Most services have one limit. Limits that calls bring
    are rounded up, by 1/32 at most, so that there are few queues. `on_late` is called with each
    expired call and its limit (0.0 if the call brought it), and has to `end` the call.
    """

    def __init__(self, on_late: Callable[[Call, float], None]) -> None:
        self._on_late = on_late
        self._lines: dict[float, _Line] = {}
        self._own: dict[float, _Line] = {}
        self._unlimited: dict[int, Call] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0
        """The time at which the timer fires, if it is set."""

    def __len__(self) -> int:
        """Return how many calls are watched."""
        watched = sum(map(len, self._lines.values())) + sum(map(len, self._own.values()))
        return watched + len(self._unlimited)

    def watch(self, call: Call, limit: float) -> None:
        """Watch a call of the time limit `limit` seconds, begun after all others of that limit."""
        self._join(self._lines, limit, call)

    def watch_own(self, call: Call, limit: float) -> None:
        """Watch a call whose own deadline is `limit` seconds from now; 0.0 for none."""
        if limit:
            part, exponent = math.frexp(limit)
            self._join(self._own, math.ldexp(math.ceil(part * _STEPS), exponent), call)
        else:
            self._unlimited[call.number] = call
            call.line = self._unlimited

    def _join(self, lines: dict[float, _Line], limit: float, call: Call) -> None:
        line = lines.get(limit)
        if line is None:
            line = lines[limit] = OrderedDict()
        line[call.number] = call
        call.line = line
        if self._timer is None or call.deadline < self._due:
            self._arm(call.deadline)

    def end(self, call: Call) -> None:
        """Stop watching a call. Does nothing if it is not watched."""
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
        for lines in (self._lines, self._own):
            for limit, line in list(lines.items()):
                while line and (call := next(iter(line.values()))).deadline <= now:
                    self._on_late(call, limit if lines is self._lines else 0.0)
                if not line:
                    del lines[limit]
        if (due := min(self._next(), default=None)) is not None:
            self._arm(due)

    def _next(self) -> Iterator[float]:
        """Yield the earliest deadline of each line that has a call."""
        for lines in (self._lines, self._own):
            for line in lines.values():
                # `on_late` may have ended calls of queues that this loop had already passed.
                if line:
                    yield next(iter(line.values())).deadline
