"""The counters of calls that TensorFlow Serving has, for each model."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence
from itertools import accumulate

_NOTED_AT_MOST = 1024


def exponential(first: float, factor: float, count: int) -> list[float]:
    """Return the upper bounds of `count` buckets, each `factor` times the previous one."""
    return [first * factor**each for each in range(count)]


LATENCY_BOUNDS = exponential(10, 1.8, 33)
"""The bounds of TensorFlow Serving's latency histograms, in microseconds."""


class Buckets:
    """A histogram with the given upper bounds. Noted values are counted many at a time."""

    __slots__ = ("_bounds", "_counts", "_noted", "_sum", "note")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._noted: list[float] = []
        self._sum = 0.0
        self.note = self._noted.append

    def settle_if_many(self) -> None:
        """Count the noted values if there are many."""
        if len(self._noted) > _NOTED_AT_MOST:
            self._settle()

    def _settle(self) -> None:
        for value in self._noted:
            self._counts[bisect_left(self._bounds, value)] += 1
            self._sum += value
        self._noted.clear()

    def read(self) -> tuple[list[tuple[str, int]], float]:
        """Return each bound with the number of values up to it, and the sum of all values."""
        self._settle()
        names = [*(f"{each:g}" for each in self._bounds), "+Inf"]
        return list(zip(names, accumulate(self._counts), strict=True)), self._sum


REST, GRPC = "REST", "GRPC"
"""The values of the label `entrypoint` of latencies."""


class ModelCounters:
    """The calls of one model, by status name, and the latencies of those that succeeded."""

    __slots__ = ("latency", "requests")

    def __init__(self) -> None:
        self.requests: defaultdict[str, int] = defaultdict(int)
        self.latency: dict[tuple[str, str], Buckets] = {}
        """The latencies of successful calls, by API and entry point, in microseconds."""

    def succeeded(self, api: str, entry_point: str, seconds: float) -> None:
        """Count a successful call."""
        self.requests["OK"] += 1
        buckets = self.latency.get((api, entry_point))
        if buckets is None:
            buckets = self.latency[api, entry_point] = Buckets(LATENCY_BOUNDS)
        buckets.note(seconds * 1e6)
        buckets.settle_if_many()


class TfsCounters:
    """The counters of every model that was called, by name."""

    def __init__(self) -> None:
        self.models: dict[str, ModelCounters] = {}

    def of(self, name: str) -> ModelCounters:
        """Return the counters of a model."""
        return self.models.setdefault(name, ModelCounters())
