from __future__ import annotations

import pytest

from eas_processor.contracts.counters import (
    RowHistogram,
    ServiceMetrics,
    TimeHistogram,
)


@pytest.mark.parametrize(
    ("seconds", "first"),
    [(-1.0, "8e-06"), (0.000009, "1.6e-05"), (0.001, "0.001024"), (60.0, "67.1089"), (1e9, "+Inf")],
)
def test_a_duration_is_in_its_bucket_and_all_above(seconds: float, first: str) -> None:
    histogram = TimeHistogram()
    histogram.add(seconds, 2)
    counts = dict(histogram.buckets())
    order = list(counts)
    assert [counts[bound] for bound in order] == [
        0 if order.index(bound) < order.index(first) else 2 for bound in order
    ]


def test_what_is_noted_counts_like_what_is_added() -> None:
    noted, added = TimeHistogram(), TimeHistogram()
    for seconds in (-1.0, 0.0, 9e-7, 1e-6, 3e-6, 0.001, 0.5, 66.0, 68.0, 1e9):
        noted.noted.append(seconds)
        added.add(seconds)
    assert noted.buckets() == added.buckets() and noted.total == pytest.approx(added.total)
    assert noted.noted == []


def test_what_is_noted_does_not_pile_up() -> None:
    metrics = ServiceMetrics()
    for _ in range(2500):
        metrics.latency.noted.append(0.001)
        metrics.settle()
    assert len(metrics.latency.noted) <= 1000
    assert sum(metrics.latency.counts) + len(metrics.latency.noted) == 2500


@pytest.mark.parametrize(("rows", "first"), [(0, "1"), (1, "1"), (3, "4"), (4, "4"), (5, "8")])
def test_rows_are_in_the_bucket_of_the_next_power_of_two(rows: int, first: str) -> None:
    histogram = RowHistogram()
    histogram.add(rows)
    counts = dict(histogram.buckets())
    assert next(bound for bound, count in counts.items() if count) == first
