"""Statistics of ratios from pairs of measurements."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Spread:
    """
    The median of ratios, their quartiles, and a 95 % confidence interval of the median.

    The interval is that of the sign test, which assumes no distribution, because a shared machine
    has outliers. It is None for fewer than six pairs, which are not enough for 95 %.
    """

    median: float
    quartiles: tuple[float, float]
    interval: tuple[float, float] | None

    def below(self, limit: float) -> bool:
        """Tell whether the median is significantly below `limit`."""
        return self.interval is not None and self.interval[1] < limit

    def above(self, limit: float) -> bool:
        """Tell whether the median is significantly above `limit`."""
        return self.interval is not None and self.interval[0] > limit


def spread(ratios: Sequence[float]) -> Spread:
    """Return the spread of at least one ratio."""
    low, high = (float(each) for each in np.quantile(ratios, [0.25, 0.75]))
    return Spread(statistics.median(ratios), (low, high), _sign_interval(ratios))


def _sign_interval(ratios: Sequence[float]) -> tuple[float, float] | None:
    ordered, count = sorted(ratios), len(ratios)
    rank, tail = 0, 1 / 2**count
    while tail <= 0.025:
        rank += 1
        tail += math.comb(count, rank) / 2**count
    return (ordered[rank - 1], ordered[-rank]) if rank else None
