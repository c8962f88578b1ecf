"""TensorFlow Serving's page of metrics: what it tells of versions."""

from __future__ import annotations

from typing import Any

from eas_processor.contracts.counters import ServiceMetrics
from eas_processor.frontends.tfs_rest.metrics import VersionSample, exposition


def lines_of(*versions: VersionSample) -> list[str]:
    return list(exposition({}, versions, {}, "pool"))


def sample(model: str, rows: tuple[int, ...] = (), **load: Any) -> VersionSample:
    metrics = ServiceMetrics()
    for each in rows:
        metrics.batch_rows.add(each)
    return VersionSample(model, f"/models/{model}/1", metrics, load)


def test_rows_are_counted_by_model() -> None:
    lines = lines_of(sample("a", (1, 3)), sample("a", (4,)), sample("b", (2,)))
    name = ":tensorflow:serving:request_example_count"
    assert f'{name}_total{{model="a"}} 8' in lines
    assert f'{name}_total{{model="b"}} 2' in lines
    assert f'{name}s_bucket{{model="a",le="1"}} 1' in lines
    assert f'{name}s_bucket{{model="a",le="4"}} 3' in lines
    assert f'{name}s_sum{{model="a"}} 8' in lines
    assert f'{name}s_count{{model="a"}} 3' in lines
    assert f'{name}s_bucket{{model="a",le="16384"}} 3' in lines


def test_what_loading_took() -> None:
    warmed = sample("a", load_seconds=1.5, warm_up_seconds=0.02, warm_up_records=3)
    lines = lines_of(warmed, sample("b", load_seconds=0.25), sample("c"))
    path = 'model_path="/models/a/1"'
    assert [each for each in lines if "load_latency{" in each] == [
        f":tensorflow:cc:saved_model:load_latency{{{path}}} 1500000",
        ':tensorflow:cc:saved_model:load_latency{model_path="/models/b/1"} 250000',
    ]
    name, labels = ":tensorflow:serving:model_warmup_", f'{path},status="OK"'
    assert f"{name}records_read{{{labels}}} 3" in lines
    assert f"{name}latency_sum{{{labels}}} 20000" in lines
    assert f"{name}latency_count{{{labels}}} 1" in lines
    assert not any("model_warmup" in each and "/models/b" in each for each in lines)


def test_each_metric_is_named_before_there_is_anything_to_tell() -> None:
    lines = lines_of()
    for name in ("request_example_counts histogram", "model_warmup_latency histogram"):
        assert f"# TYPE :tensorflow:serving:{name}" in lines
    assert "# TYPE :tensorflow:cc:saved_model:load_latency counter" in lines
    types = [each for each in lines if each.startswith("# TYPE")]
    assert len(types) == len(set(types))
