"""TensorFlow Serving's metrics page, with its names, labels and buckets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from eas_processor.contracts.counters import Histogram, ServiceMetrics
from eas_processor.frontends.tfs_counters import (
    LATENCY_BOUNDS,
    Buckets,
    ModelCounters,
    exponential,
)

_SERVING = ":tensorflow:serving:"
_LOADING = ":tensorflow:cc:saved_model:"
_QUEUE_BOUNDS = exponential(100, 1.2, 52)
_EXAMPLE_BOUNDS = exponential(1, 2, 15)
_NEVER_TOUCHED = (("request_log_count", "counter"), ("mlmd_map", "gauge"))


class VersionSample(NamedTuple):
    """
    The metrics of one version.

    `load` contains the worker's figures of loading: seconds, and the number of warm-up records.
    """

    model: str
    path: str
    metrics: ServiceMetrics
    load: Mapping[str, float] = {}


def exposition(
    models: Mapping[str, ModelCounters],
    versions: Iterable[VersionSample],
    failed_loads: Mapping[str, int],
    pool: str,
) -> Iterator[str]:
    """
    Yield the lines of the page.

    `failed_loads` counts by the path of the version. `pool` is the label of batching metrics.
    Histograms of the engine are converted to TensorFlow Serving's buckets: a value is counted in
    the first bucket that certainly contains it.
    """
    # Calls are counted while the lines are made, so the mappings are copied.
    models, versions = dict(models), list(versions)
    yield _type(_SERVING + "request_count", "counter")
    for name, each in models.items():
        for status, count in sorted(each.requests.items()):
            yield _line(_SERVING + "request_count", {"model_name": name, "status": status}, count)
    yield _type(_SERVING + "request_latency", "histogram")
    for name, each in models.items():
        for (api, entry_point), buckets in list(each.latency.items()):
            labels = {"model_name": name, "API": api, "entrypoint": entry_point}
            yield from _histogram(_SERVING + "request_latency", labels, *buckets.read())
    yield _type(_SERVING + "runtime_latency", "histogram")
    for version in versions:
        labels = {"model_name": version.model, "API": "Predict", "runtime": "TF1"}
        found = _rebucketed(version.metrics.steps["run"], LATENCY_BOUNDS, 1e6)
        yield from _histogram(_SERVING + "runtime_latency", labels, *found)
    yield from _examples(versions)
    yield from _batching(versions, pool)
    yield from _warm_up(versions)
    yield from _loads(versions, failed_loads)
    yield from _runs(versions)
    for name, kind in _NEVER_TOUCHED:
        yield _type(_SERVING + name, kind)


def _examples(versions: list[VersionSample]) -> Iterator[str]:
    """Yield the rows of runs as examples: workers report runs, most of which have one request."""
    by_model: dict[str, list[tuple[list[tuple[str, int]], float]]] = {}
    for each in versions:
        found = _rebucketed(each.metrics.batch_rows, _EXAMPLE_BOUNDS, 1)
        by_model.setdefault(each.model, []).append(found)
    added = {model: _added(found) for model, found in by_model.items()}
    yield _type(_SERVING + "request_example_counts", "histogram")
    for model, found in added.items():
        yield from _histogram(_SERVING + "request_example_counts", {"model": model}, *found)
    yield _type(_SERVING + "request_example_count_total", "counter")
    for model, (_, total) in added.items():
        yield _line(_SERVING + "request_example_count_total", {"model": model}, total)


def _batching(versions: list[VersionSample], pool: str) -> Iterator[str]:
    name = _SERVING + "batching_session:"
    yield _type(name + "queuing_latency", "histogram")
    if versions:
        waits = [_rebucketed(each.metrics.steps["queue"], _QUEUE_BOUNDS, 1e6) for each in versions]
        labels = {"thread_pool_name": pool}
        yield from _histogram(name + "queuing_latency", labels, *_added(waits))
    runs = sum(each.metrics.batch_rows.buckets()[-1][1] for each in versions)
    yield _type(name + "wrapped_run_count", "counter")
    yield _line(name + "wrapped_run_count", {}, runs)
    for metric in ("input_batch_size", "processed_batch_size"):
        yield _type(name + metric, "histogram")
        if versions:
            rows = [each.metrics.batch_rows for each in versions]
            found = _added([(each.buckets(), each.total) for each in rows])
            yield from _histogram(name + metric, {}, *found)


def _warm_up(versions: list[VersionSample]) -> Iterator[str]:
    warmed = [
        ({"model_path": each.path, "status": "OK"}, each.load)
        for each in versions
        if "warm_up_seconds" in each.load
    ]
    name = _SERVING + "model_warmup_latency"
    yield _type(name, "histogram")
    for labels, load in warmed:
        latency = Buckets(LATENCY_BOUNDS)
        latency.note(load["warm_up_seconds"] * 1e6)
        yield from _histogram(name, labels, *latency.read())
    name = _SERVING + "model_warmup_records_read"
    yield _type(name, "counter")
    for labels, load in warmed:
        yield _line(name, labels, load["warm_up_records"])


def _loads(versions: list[VersionSample], failed: Mapping[str, int]) -> Iterator[str]:
    name = _LOADING + "load_latency"
    yield _type(name, "counter")
    for each in versions:
        if "load_seconds" in each.load:
            yield _line(name, {"model_path": each.path}, round(each.load["load_seconds"] * 1e6))
    name = _LOADING + "load_attempt_count"
    yield _type(name, "counter")
    for each in versions:
        yield _line(name, {"model_path": each.path, "status": "success"}, 1)
    for path, count in sorted(failed.items()):
        yield _line(name, {"model_path": path, "status": "fail"}, count)


def _runs(versions: list[VersionSample]) -> Iterator[str]:
    runs = sum(each.metrics.batch_rows.buckets()[-1][1] for each in versions)
    seconds = sum(each.metrics.steps["run"].total for each in versions)
    for metric, value in (
        ("direct_session_runs", runs),
        ("graph_runs", runs),
        ("graph_run_time_usecs", round(seconds * 1e6)),
    ):
        yield _type(":tensorflow:core:" + metric, "counter")
        yield _line(":tensorflow:core:" + metric, {}, value)


def _rebucketed(
    histogram: Histogram, bounds: list[float], unit: float
) -> tuple[list[tuple[str, int]], float]:
    """Convert a histogram to other upper bounds, with its values multiplied by `unit`."""
    ours = [(float(bound) * unit, count) for bound, count in histogram.buckets()]
    found, place, count = [], 0, 0
    for bound in bounds:
        while place < len(ours) and ours[place][0] <= bound:
            count = ours[place][1]
            place += 1
        found.append((f"{bound:g}", count))
    found.append(("+Inf", ours[-1][1]))
    return found, histogram.total * unit


def _added(
    histograms: list[tuple[list[tuple[str, int]], float]],
) -> tuple[list[tuple[str, int]], float]:
    """Return the sum of histograms with the same bounds, for metrics without a version label."""
    columns = zip(*(buckets for buckets, _ in histograms), strict=True)
    buckets = [(column[0][0], sum(count for _, count in column)) for column in columns]
    return buckets, sum(total for _, total in histograms)


def _histogram(
    name: str, labels: Mapping[str, str], buckets: list[tuple[str, int]], total: float
) -> Iterator[str]:
    for bound, count in buckets:
        yield _line(f"{name}_bucket", {**labels, "le": bound}, count)
    yield _line(f"{name}_sum", labels, f"{total:g}")
    yield _line(f"{name}_count", labels, buckets[-1][1])


def _type(name: str, kind: str) -> str:
    return f"# TYPE {name} {kind}"


def _line(name: str, labels: Mapping[str, str], value: object) -> str:
    shown = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
    return f"{name}{{{shown}}} {value}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
