from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from eas_processor.contracts.counters import (
    RowHistogram,
    ServiceMetrics,
    ServiceSample,
    TimeHistogram,
    exposition,
)

GAUGES = {"in_flight": 1, "queue_length": 2, "instances_ready": 3}


def samples(text: bytes) -> dict[str, float]:
    lines = [line for line in text.decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


def buckets(lines: Any) -> dict[str, int]:
    found = (re.search(r'le="(.*)"} (\d+)', line) for line in lines)
    return {each[1]: int(each[2]) for each in found if each}


@pytest.mark.parametrize(
    ("seconds", "first"),
    [(-1.0, "8e-06"), (0.000009, "1.6e-05"), (0.001, "0.001024"), (60.0, "67.1089"), (1e9, "+Inf")],
)
def test_a_duration_is_in_its_bucket_and_all_above(seconds: float, first: str) -> None:
    histogram = TimeHistogram()
    histogram.add(seconds, 2)
    counts = buckets(histogram.lines("x", 'a="b"'))
    order = list(counts)
    assert [counts[bound] for bound in order] == [
        0 if order.index(bound) < order.index(first) else 2 for bound in order
    ]


def test_what_is_noted_counts_like_what_is_added() -> None:
    noted, added = TimeHistogram(), TimeHistogram()
    for seconds in (-1.0, 0.0, 9e-7, 1e-6, 3e-6, 0.001, 0.5, 66.0, 68.0, 1e9):
        noted.noted.append(seconds)
        added.add(seconds)
    assert list(noted.lines("x", "")) == list(added.lines("x", ""))
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
    counts = buckets(histogram.lines("x", ""))
    assert next(bound for bound, count in counts.items() if count) == first


def test_the_text_has_every_counter() -> None:
    metrics = ServiceMetrics()
    metrics.codes[200] += 5
    metrics.steps["run"].add(0.5)
    metrics.deaths, metrics.restarts, metrics.retries = 4, 3, 20
    states = {"ready": 2, "warming up": 1}
    found = samples(exposition([ServiceSample("digits", metrics, GAUGES, states)], {401: 7}))
    assert found['eas_instances{service="digits",state="ready"}'] == 2
    assert found['eas_instances{service="digits",state="warming up"}'] == 1
    assert found['eas_deaths_total{service="digits"}'] == 4
    assert found['eas_restarts_total{service="digits"}'] == 3
    assert found['eas_retries_total{service="digits"}'] == 20
    assert found['eas_requests_total{service="digits",code="200"}'] == 5
    assert found['eas_refused_total{code="401"}'] == 7
    assert found['eas_queue_length{service="digits"}'] == 2
    assert found['eas_step_seconds_sum{service="digits",step="run"}'] == 0.5
    assert found['eas_step_seconds_count{service="digits",step="run"}'] == 1


def test_metrics_are_a_route_of_their_own(desk: Any, http: Callable[..., bytes]) -> None:
    desk.client.send(http("GET", "/nothing"))
    desk.client.send(http("GET", "/metrics"))
    text = desk.client.responses[-1]
    assert text.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert samples(text.body)['eas_refused_total{code="404"}'] == 1
