"""What is counted, and the text in which Prometheus reads it."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

STEPS = ("receive", "queue", "decode", "run", "encode", "send")
"""The parts of a request's time in the engine and its worker, in order."""

TEXT_FORMAT = b"text/plain; version=0.0.4; charset=utf-8"

_TIME_BUCKETS = 27
"""Up to 2**26 us, 67 s; what takes longer is counted in the last one, +Inf."""
_TIME_BOUNDS = [2**bucket / 1e6 for bucket in range(_TIME_BUCKETS)]
_NOTED_AT_MOST = 1000
_FIRST_SHOWN = 3
_ROW_BUCKETS = 18


class TimeHistogram:
    """
    Durations in buckets of powers of two microseconds; one below 0 counts as 0.

    Each request has three of its own. They are only appended to `noted`, 0.03 us each, and counted
    a thousand at a time, 0.08 us each; to count one alone takes 0.25.
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
        """Count what was noted."""
        ordered, place = sorted(self.noted), 0
        self.noted.clear()
        for bucket, bound in enumerate(_TIME_BOUNDS):
            if place == len(ordered):
                break
            before, place = place, bisect_left(ordered, bound, place)
            self.counts[bucket] += place - before
        self.counts[-1] += len(ordered) - place
        self.seconds += sum(ordered[bisect_left(ordered, 0.0) :])

    def lines(self, name: str, labels: str) -> Iterator[str]:
        """Yield the lines of the histogram called `name`."""
        self.settle()
        bounds = [f"{bound:g}" for bound in _TIME_BOUNDS]
        return _histogram(name, labels, bounds, self.counts, self.seconds, _FIRST_SHOWN)


class RowHistogram:
    """Numbers of rows, in buckets whose upper bounds are powers of two."""

    __slots__ = ("counts", "rows")

    def __init__(self) -> None:
        self.counts = [0] * (_ROW_BUCKETS + 1)
        self.rows = 0

    def add(self, rows: int) -> None:
        """Count one run of `rows` rows."""
        bucket = (rows - 1).bit_length() if rows > 1 else 0
        self.counts[bucket if bucket < _ROW_BUCKETS else _ROW_BUCKETS] += 1
        self.rows += rows

    def lines(self, name: str, labels: str) -> Iterator[str]:
        """Yield the lines of the histogram called `name`."""
        bounds = [str(2**bucket) for bucket in range(_ROW_BUCKETS)]
        return _histogram(name, labels, bounds, self.counts, self.rows, 0)


class ServiceMetrics:
    """The counters of one service: plain numbers, looked at only when somebody asks."""

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
        """Instances that became ready in the place of one that died, or is missing otherwise."""
        self.retries = 0
        """Requests that were caught in a death and are tried again, counted once for each death."""

    def settle(self) -> None:
        """Count what the requests have noted, if it is much; called after each burst of them."""
        received = self.steps["receive"]
        if len(received.noted) > _NOTED_AT_MOST or len(self.latency.noted) > _NOTED_AT_MOST:
            for histogram in (received, self.steps["queue"], self.latency):
                histogram.settle()


class ServiceSample(NamedTuple):
    """What is known of one service when `/metrics` is read."""

    name: str
    metrics: ServiceMetrics
    gauges: dict[str, int]
    states: dict[str, int]
    """How many instances are in each state."""


class EngineMetric(NamedTuple):
    """A number that is not of one service: name without `eas_`, counter or gauge, what it tells."""

    name: str
    kind: str
    text: str
    value: float


def exposition(
    services: Iterable[ServiceSample],
    refused: Mapping[int, int],
    engine: Iterable[EngineMetric] = (),
) -> bytes:
    """
    Return the text of `/metrics`.

    The gauges of a service are `in_flight`, `queue_length` and `instances_ready`. `refused` counts
    what no service took, by status.
    """
    services = list(services)
    listed = [(f'service="{each.name}"', each.metrics, each.gauges) for each in services]
    lines = _head("eas_requests_total", "counter", "Answers, by service and status.")
    for labels, metrics, _ in listed:
        for code, count in sorted(metrics.codes.items()):
            lines.append(f'eas_requests_total{{{labels},code="{code}"}} {count}')
    lines += _head("eas_refused_total", "counter", "Refusals before a service took the request.")
    lines += [
        f'eas_refused_total{{code="{code}"}} {count}' for code, count in sorted(refused.items())
    ]
    for each in engine:
        lines += _head(f"eas_{each.name}", each.kind, each.text)
        lines.append(f"eas_{each.name} {each.value:.15g}")
    for gauge, text in (
        ("in_flight", "Requests that have begun to arrive and are not answered."),
        ("queue_length", "Requests that wait for an instance."),
        ("instances_ready", "Instances that take requests."),
    ):
        lines += _head(f"eas_{gauge}", "gauge", text)
        lines += [f"eas_{gauge}{{{labels}}} {gauges[gauge]}" for labels, _, gauges in listed]
    lines += _lives(services)
    lines += _head("eas_batch_rows", "histogram", "Rows of one run of the model.")
    for labels, metrics, _ in listed:
        lines += metrics.batch_rows.lines("eas_batch_rows", labels)
    lines += _head("eas_request_seconds", "histogram", "From the head of a request to its answer.")
    for labels, metrics, _ in listed:
        lines += metrics.latency.lines("eas_request_seconds", labels)
    lines += _head("eas_step_seconds", "histogram", "The parts of that time.")
    for labels, metrics, _ in listed:
        for step, histogram in metrics.steps.items():
            lines += histogram.lines("eas_step_seconds", f'{labels},step="{step}"')
    return ("\n".join(lines) + "\n").encode()


def _lives(services: list[ServiceSample]) -> Iterator[str]:
    """Yield the lines about instances and their deaths."""
    yield from _head("eas_instances", "gauge", "Instances, by the state of their life.")
    for each in services:
        for state, count in each.states.items():
            yield f'eas_instances{{service="{each.name}",state="{state}"}} {count}'
    for counter, text in (
        ("deaths", "Workers that died while they served."),
        ("restarts", "Instances that became ready in the place of one that is missing."),
        ("retries", "Requests caught in a worker's death that are tried again."),
    ):
        yield from _head(f"eas_{counter}_total", "counter", text)
        for each in services:
            count = getattr(each.metrics, counter)
            yield f'eas_{counter}_total{{service="{each.name}"}} {count}'


def _head(name: str, kind: str, text: str) -> list[str]:
    return [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]


def _histogram(
    name: str, labels: str, bounds: list[str], counts: list[int], total: float, first: int
) -> Iterator[str]:
    count = sum(counts[:first])
    for bound, more in zip(bounds[first:], counts[first:], strict=False):
        count += more
        yield f'{name}_bucket{{{labels},le="{bound}"}} {count}'
    count += counts[-1]
    yield f'{name}_bucket{{{labels},le="+Inf"}} {count}'
    yield f"{name}_sum{{{labels}}} {total:g}"
    yield f"{name}_count{{{labels}}} {count}"


def server_timing(began: float, submitted: float, times: tuple[float, ...], now: float) -> bytes:
    """Return the `Server-Timing` header line of an answer, in milliseconds."""
    spent = [submitted - began, *times, now - began]
    names = [*STEPS[:-1], "total"]
    parts = [f"{name};dur={seconds * 1e3:.3f}" for name, seconds in zip(names, spent, strict=True)]
    return f"Server-Timing: {', '.join(parts)}\r\n".encode()
