"""The text of `/metrics`: what Prometheus reads, and what it would stumble over."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from eas_processor.contracts.counters import EngineMetric, ServiceMetrics
from eas_processor.frontends.metrics import ServiceSample, as_text, exposition, in_slices
from eas_processor.serving.registry import Entry
from eas_processor.serving.tokens import Tokens
from eas_processor.serving.version_states import Stage, VersionState

GAUGES = {"in_flight": 1, "queue_length": 2, "instances_ready": 3}


def sample(
    service: str,
    *,
    metrics: ServiceMetrics | None = None,
    states: dict[str, int] | None = None,
    **labels: Any,
) -> ServiceSample:
    shown = {"service": service, **labels}
    return ServiceSample(shown, metrics or ServiceMetrics(), GAUGES, states or {})


def samples(text: bytes) -> dict[str, float]:
    lines = [line for line in text.decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


def test_the_text_has_every_counter() -> None:
    metrics = ServiceMetrics()
    metrics.codes[200] += 5
    metrics.steps["run"].add(0.5)
    metrics.deaths, metrics.restarts, metrics.retries = 4, 3, 20
    states = {"ready": 2, "warming up": 1}
    found = samples(
        as_text(
            exposition([ServiceSample({"service": "digits"}, metrics, GAUGES, states)], {401: 7})
        )
    )
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


def test_help_and_type_stand_once_before_the_samples_of_each_name() -> None:
    services = [
        ServiceSample({"service": name}, ServiceMetrics(), GAUGES, {"ready": 1}) for name in "ab"
    ]
    more = [EngineMetric("connections", "gauge", "Open connections.", 1)]
    lines = list(exposition(services, {401: 7, 404: 1}, more))
    described = Counter(tuple(line.split()[1:3]) for line in lines if line.startswith("#"))
    assert set(described.values()) == {1}
    seen, current = set(), ""
    for line in lines:
        if line.startswith("# HELP"):
            current = line.split()[2]
        elif not line.startswith("#"):
            assert line.startswith(current)
            seen.add(current)
    assert {("TYPE", name) for name in seen} <= set(described)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a\\b", "a\\\\b"),
        ('say "x"', 'say \\"x\\"'),
        ("two\nlines", "two\\nlines"),
        ("\u6a21\u578b {a=1}", "\u6a21\u578b {a=1}"),
    ],
)
def test_values_of_labels_are_escaped(name: str, shown: str) -> None:
    text = as_text(
        exposition([ServiceSample({"service": name}, ServiceMetrics(), GAUGES, {})], {})
    ).decode()
    assert f'eas_in_flight{{service="{shown}"}} 1' in text.splitlines()
    assert f'eas_batch_rows_bucket{{service="{shown}",le="1"}} 0' in text.splitlines()


async def test_other_work_runs_while_many_services_are_shown() -> None:
    services = [
        ServiceSample({"service": f"s{n}"}, ServiceMetrics(), GAUGES, {}) for n in range(100)
    ]
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    other = asyncio.create_task(count())
    text = await in_slices(exposition(services, {}, up={"s1": True, "s2": False}))
    other.cancel()
    # 60 ms where it was measured, in slices of 1.
    assert turns > 10
    lines = text.decode().splitlines()
    assert 'eas_service_up{service="s1"} 1' in lines and 'eas_service_up{service="s2"} 0' in lines
    families = [line.split()[2] for line in lines if line.startswith("# TYPE")]
    assert len(families) == len(set(families)), "each family stands together"
    assert text == as_text(exposition(services, {}, up={"s1": True, "s2": False}))


async def test_what_is_counted_meanwhile_does_not_make_one_histogram_disagree() -> None:
    metrics = ServiceMetrics()
    metrics.latency.add(0.5)
    lines = []
    for line in exposition([sample("s", metrics=metrics)], {}):
        lines.append(line)
        if "request_seconds_bucket" in line:
            metrics.latency.add(0.5)
    assert 'eas_request_seconds_sum{service="s"} 0.5' in lines
    assert 'eas_request_seconds_count{service="s"} 1' in lines


def test_versions_that_are_live_together_have_series_of_their_own() -> None:
    entry = Entry("m", Tokens(""))
    assert entry.metric_labels(7) == {"service": "m"}
    entry.states[7] = VersionState(Stage.AVAILABLE)
    samples = [
        ServiceSample(entry.metric_labels(number), ServiceMetrics(), GAUGES, {})
        for number in (7, 8)
    ]
    text = as_text(exposition(samples, {})).decode()
    lines = [line.rpartition(" ")[0] for line in text.splitlines() if not line.startswith("#")]
    assert len(lines) == len(set(lines))
    assert 'eas_in_flight{service="m",version="8"}' in lines
