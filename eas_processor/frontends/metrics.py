"""The text of `/metrics`, in the format of Prometheus."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from time import perf_counter
from typing import NamedTuple

from eas_processor.contracts.counters import EngineMetric, Histogram, ServiceMetrics

TEXT_FORMAT = b"text/plain; version=0.0.4; charset=utf-8"


_SLICE_S = 0.001


class ServiceSample(NamedTuple):
    """The metrics of one service, or of one of its versions."""

    labels: dict[str, object]
    """The name as `service`, and the `version` of a service with numbered versions."""
    metrics: ServiceMetrics
    gauges: dict[str, int]
    """`in_flight`, `queue_length` and `instances_ready`."""
    states: dict[str, int]
    """The number of instances in each state."""


_GAUGES = (
    ("in_flight", "Requests that have begun to arrive and are not answered."),
    ("queue_length", "Requests that wait for an instance."),
    ("instances_ready", "Instances that take requests."),
)
_LIVES = (
    ("deaths", "Workers that died while they served."),
    ("restarts", "Instances that became ready in place of a missing one."),
    ("retries", "Retries of requests that a worker held when it died."),
)


def exposition(
    services: Iterable[ServiceSample],
    refused: Mapping[int, int],
    engine: Iterable[EngineMetric] = (),
    up: Mapping[str, bool] | None = None,
) -> Iterator[str]:
    """
    Yield the lines of `/metrics`, one family of metrics after the other.

    `refused` counts, by status, the refusals before a service took the request. `up` tells whether
    each service is ready; None leaves that family out.
    """
    services = list(services)
    yield from _answers(services, refused)
    for metric in engine:
        yield from _head(metric.name, metric.kind, metric.text)
        yield f"eas_{metric.name} {metric.value:.15g}"
    if up is not None:
        yield from _head("service_up", "gauge", "Whether an instance of the service is ready.")
        for name, is_up in up.items():
            yield _line("service_up", {"service": name}, int(is_up))
    yield from _states(services)
    yield from _histograms(services)


def as_text(lines: Iterable[str]) -> bytes:
    """Return the lines as one text."""
    return ("\n".join(lines) + "\n").encode()


async def in_slices(lines: Iterable[str]) -> bytes:
    """
    Return the lines as one text, and let the event loop run between slices of `_SLICE_S`.

    The lines of 100 services take 60 ms.
    """
    parts: list[bytes] = []
    made: list[str] = []
    began = perf_counter()
    for line in lines:
        made.append(line)
        if perf_counter() - began > _SLICE_S:
            parts.append(as_text(made))
            made.clear()
            await asyncio.sleep(0)
            began = perf_counter()
    if made:
        parts.append(as_text(made))
    return b"".join(parts)


def _answers(services: list[ServiceSample], refused: Mapping[int, int]) -> Iterator[str]:
    yield from _head("requests_total", "counter", "Answers, by service and status.")
    for each in services:
        for code, count in sorted(each.metrics.codes.items()):
            yield _line("requests_total", {**each.labels, "code": code}, count)
    yield from _head("refused_total", "counter", "Refusals before a service took the request.")
    for code in sorted(refused):
        yield _line("refused_total", {"code": code}, refused[code])


def _states(services: list[ServiceSample]) -> Iterator[str]:
    for gauge, text in _GAUGES:
        yield from _head(gauge, "gauge", text)
        for each in services:
            yield _line(gauge, each.labels, each.gauges[gauge])
    yield from _head("instances", "gauge", "Instances, by the state of their life.")
    for each in services:
        for state, count in each.states.items():
            yield _line("instances", {**each.labels, "state": state}, count)
    for counter, text in _LIVES:
        yield from _head(f"{counter}_total", "counter", text)
        for each in services:
            count = getattr(each.metrics, counter)
            yield _line(f"{counter}_total", each.labels, count)


def _histograms(services: list[ServiceSample]) -> Iterator[str]:
    yield from _head("batch_rows", "histogram", "Rows of one run of the model.")
    for each in services:
        yield from _histogram("batch_rows", each.labels, each.metrics.batch_rows)
    yield from _head("request_seconds", "histogram", "From the head of a request to its answer.")
    for each in services:
        yield from _histogram("request_seconds", each.labels, each.metrics.latency)
    yield from _head("step_seconds", "histogram", "The parts of that time.")
    for each in services:
        for step, histogram in each.metrics.steps.items():
            yield from _histogram("step_seconds", {**each.labels, "step": step}, histogram)


def _histogram(name: str, labels: Mapping[str, object], histogram: Histogram) -> Iterator[str]:
    # Requests may be counted between two lines, so buckets and total are read together.
    buckets, total = histogram.buckets(), histogram.total
    for bound, count in buckets:
        yield _line(f"{name}_bucket", {**labels, "le": bound}, count)
    yield _line(f"{name}_sum", labels, f"{total:g}")
    yield _line(f"{name}_count", labels, buckets[-1][1])


def _head(name: str, kind: str, text: str) -> list[str]:
    return [f"# HELP eas_{name} {text}", f"# TYPE eas_{name} {kind}"]


def _line(name: str, labels: Mapping[str, object], value: object) -> str:
    shown = ",".join(f'{label}="{_escaped(str(text))}"' for label, text in labels.items())
    return f"eas_{name}{{{shown}}} {value}"


def _escaped(text: str) -> str:
    """Escape the value of a label, which may contain quotes and line ends."""
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
