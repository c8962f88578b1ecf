"""The counters of each service and of the engine."""

from __future__ import annotations

import itertools
from bisect import bisect_left
from collections import defaultdict
from typing import NamedTuple, Protocol

STEPS = ("receive", "queue", "decode", "run", "encode", "send")
"""The parts of a request's time in the engine and its worker, in order."""

_TIME_BUCKETS = 27
"""The last bound is 2**26 us (67 s). Longer durations are counted in the bucket +Inf."""
_TIME_BOUNDS = [2**bucket / 1e6 for bucket in range(_TIME_BUCKETS)]
_NOTED_AT_MOST = 1000
_FIRST_SHOWN = 3
_ROW_BUCKETS = 18


class Histogram(Protocol):
    """Counts values in buckets; `total` is the sum of the values."""

    @property
    def total(self) -> float: ...

    def buckets(self) -> list[tuple[str, int]]:
        """Return the upper bound of each bucket, and the number of values up to it."""


class TimeHistogram:
    """
    Counts durations in buckets of powers of two microseconds. A negative duration counts as 0.

    The request path only appends to `noted`, and `settle` counts a thousand entries at a time. The
    figures are in docs/decisions/counting-durations.md.
    """

    __slots__ = ("counts", "noted", "seconds")

    def __init__(self) -> None:
        self.counts = [0] * (_TIME_BUCKETS + 1)
        self.seconds = 0.0
        self.noted: list[float] = []

    def add(self, seconds: float, times: int = 1) -> None:
        """Count a duration, `times` times."""
        seconds = max(0.0, seconds)
        self.counts[min(int(seconds * 1e6).bit_length(), _TIME_BUCKETS)] += times
        self.seconds += seconds * times

    def settle(self) -> None:
        """Count the durations in `noted`."""
        ordered, place = sorted(self.noted), 0
        self.noted.clear()
        for bucket, bound in enumerate(_TIME_BOUNDS):
            if place == len(ordered):
                break
            before, place = place, bisect_left(ordered, bound, place)
            self.counts[bucket] += place - before
        self.counts[-1] += len(ordered) - place
        self.seconds += sum(ordered[bisect_left(ordered, 0.0) :])

    @property
    def total(self) -> float:
        """The sum of all counted durations, in seconds."""
        return self.seconds

    def buckets(self) -> list[tuple[str, int]]:
        """Return the bound of each bucket in seconds, and the number of durations up to it."""
        self.settle()
        bounds = [f"{bound:g}" for bound in _TIME_BOUNDS]
        return _cumulative(bounds, self.counts)[_FIRST_SHOWN:]


class RowHistogram:
    """Counts runs by their number of rows, in buckets whose upper bounds are powers of two."""

    __slots__ = ("counts", "rows")

    def __init__(self) -> None:
        self.counts = [0] * (_ROW_BUCKETS + 1)
        self.rows = 0

    def add(self, rows: int) -> None:
        """Count one run of `rows` rows."""
        bucket = (rows - 1).bit_length() if rows > 1 else 0
        # min() takes 0.1 us, ten times as long.
        self.counts[bucket if bucket < _ROW_BUCKETS else _ROW_BUCKETS] += 1  # noqa: FURB136
        self.rows += rows

    @property
    def total(self) -> float:
        """The rows of all runs together."""
        return self.rows

    def buckets(self) -> list[tuple[str, int]]:
        """Return the upper bound of each bucket in rows, and the number of runs up to it."""
        return _cumulative([str(2**bucket) for bucket in range(_ROW_BUCKETS)], self.counts)


class ServiceMetrics:
    """The counters of one service: plain numbers, which are read only for the metrics page."""

    __slots__ = ("batch_rows", "codes", "deaths", "latency", "restarts", "retries", "steps")

    def __init__(self) -> None:
        self.codes: defaultdict[int, int] = defaultdict(int)
        self.latency = TimeHistogram()
        """From the first byte of a request's head to its answer."""
        self.steps = {step: TimeHistogram() for step in STEPS}
        self.batch_rows = RowHistogram()
        self.deaths = 0
        """Workers that died while they served."""
        self.restarts = 0
        """Instances that became ready in the place of one that died or was missing."""
        self.retries = 0
        """Retries of requests that a worker held when it died, one for each death."""

    def settle(self) -> None:
        """Count the noted durations if there are many. Called after each burst of requests."""
        received = self.steps["receive"]
        if len(received.noted) > _NOTED_AT_MOST or len(self.latency.noted) > _NOTED_AT_MOST:
            for histogram in (received, self.steps["queue"], self.latency):
                histogram.settle()


class EngineMetric(NamedTuple):
    """
    A metric of the engine rather than of one service.

    `name` has no `eas_` prefix, `kind` is counter or gauge, and `text` is the help line.
    """

    name: str
    kind: str
    text: str
    value: float


def _cumulative(bounds: list[str], counts: list[int]) -> list[tuple[str, int]]:
    return list(zip([*bounds, "+Inf"], itertools.accumulate(counts), strict=True))


def server_timing(began: float, submitted: float, times: tuple[float, ...], now: float) -> bytes:
    """Return the `Server-Timing` header line of an answer, in milliseconds."""
    spent = [submitted - began, *times, now - began]
    names = [*STEPS[:-1], "total"]
    parts = [f"{name};dur={seconds * 1e3:.3f}" for name, seconds in zip(names, spent, strict=True)]
    return f"Server-Timing: {', '.join(parts)}\r\n".encode()
