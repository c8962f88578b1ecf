from __future__ import annotations

from eas_processor.frontends.tfs_counters import LATENCY_BOUNDS, Buckets, ModelCounters


def test_values_stand_in_the_first_bucket_that_holds_them() -> None:
    buckets = Buckets([1.0, 2.0])
    for value in (0.5, 1.0, 1.5, 9.0):
        buckets.note(value)
    assert buckets.read() == ([("1", 2), ("2", 3), ("+Inf", 4)], 12.0)
    buckets.note(2.0)
    assert buckets.read() == ([("1", 2), ("2", 4), ("+Inf", 5)], 14.0)


def test_what_is_noted_does_not_grow() -> None:
    counters = ModelCounters()
    for _ in range(5000):
        counters.succeeded("predict", "REST", 0.001)
    buckets = counters.latency["predict", "REST"]
    assert len(buckets._noted) <= 1025
    assert buckets.read()[0][-1] == ("+Inf", 5000) and counters.requests["OK"] == 5000


def test_the_bounds_are_theirs() -> None:
    assert (LATENCY_BOUNDS[0], LATENCY_BOUNDS[1], len(LATENCY_BOUNDS)) == (10, 18.0, 33)
