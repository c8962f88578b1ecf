"""What a version of a model is served with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from eas_processor.app.models import plan as module
from eas_processor.app.models.plan import VersionPlan
from eas_processor.builds.find import Build
from eas_processor.config.batching import BatchingParameters
from eas_processor.config.models import ModelConfig, RequestLog
from eas_processor.contracts.settings import ServiceSettings
from eas_processor.errors import ServiceFileError


@pytest.fixture(autouse=True)
def build(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EAS_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(module, "find_build", lambda *_: Build("cpu", Path("/python"), "hooks"))


def settings_of(
    plan: VersionPlan, directory: Path, request_log: RequestLog | None = None
) -> ServiceSettings:
    return plan(ModelConfig("m", directory.parent, request_log=request_log), 3, directory)


def test_without_batching_no_queue_is_full_and_each_call_runs_alone(tmp_path: Path) -> None:
    settings = settings_of(VersionPlan(timeout=7.0, session={"tags": ["serve"]}), tmp_path)
    assert (settings.name, settings.token, settings.keepalive) == ("m", "", 7.0)
    assert settings.max_queue_size == 2**31 - 1 and settings.worker.batch_size == 1
    assert json.loads(settings.worker.model_config) == {"tags": ["serve"]}


def test_batching_is_what_its_parameters_say(tmp_path: Path) -> None:
    parameters = BatchingParameters(
        max_batch_size=128,
        batch_timeout_micros=1500,
        max_enqueued_batches=10,
        num_batch_threads=3,
        allowed_batch_sizes=(32, 128),
    )
    settings = settings_of(VersionPlan(batching=parameters), tmp_path)
    worker = settings.worker
    assert settings.max_queue_size == 1280
    assert (worker.batch_size, worker.batch_wait, worker.threads) == (128, 0.0015, 3)
    assert json.loads(worker.model_config) == {
        "max_batch_rows": 128,
        "max_request_rows": 128,
        "refuse_scalar_inputs": True,
        "allowed_batch_sizes": [32, 128],
    }


def test_large_requests_are_split_where_the_parameters_say_so(tmp_path: Path) -> None:
    parameters = BatchingParameters(
        max_batch_size=1000,
        max_enqueued_batches=2,
        enable_large_batch_splitting=True,
        max_execution_batch_size=64,
        pad_variable_length_inputs=True,
    )
    settings = settings_of(VersionPlan(batching=parameters), tmp_path)
    assert settings.max_queue_size == 128 and settings.worker.batch_size == 64
    assert json.loads(settings.worker.model_config) == {
        "max_batch_rows": 64,
        "refuse_scalar_inputs": True,
        "enable_large_batch_splitting": True,
        "pad_variable_length_inputs": True,
    }


OF_ALL = BatchingParameters(max_batch_size=8, num_batch_threads=3, thread_pool_name="all")
OWN = "max_batch_size { value: 16 } num_batch_threads { value: 9 }"


def test_a_version_may_bring_parameters_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "batching_params.pbtxt").write_text(OWN)
    worker = settings_of(VersionPlan(batching=OF_ALL, batching_of_version=True), tmp_path).worker
    assert (worker.batch_size, worker.threads) == (16, 3)
    assert json.loads(worker.model_config)["max_request_rows"] == 16


def test_a_version_without_such_a_file_is_not_batched(tmp_path: Path) -> None:
    settings = settings_of(VersionPlan(batching=OF_ALL, batching_of_version=True), tmp_path)
    assert settings.worker.batch_size == 1 and settings.max_queue_size == 2**31 - 1
    assert json.loads(settings.worker.model_config) == {}


@pytest.mark.parametrize("batching", [None, OF_ALL])
def test_such_a_file_is_not_read_unless_both_flags_ask_for_it(
    tmp_path: Path, batching: BatchingParameters | None
) -> None:
    (tmp_path / "batching_params.pbtxt").write_text("no parameters")
    plan = VersionPlan(batching=batching, batching_of_version=batching is None)
    assert settings_of(plan, tmp_path).worker.batch_size == (8 if batching else 1)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "max_batch_size { value: 0 }",
            "batching_params.pbtxt: max_batch_size: expected 1 or more",
        ),
        ("\nmax_rows: 1", "batching_params.pbtxt:2:1"),
    ],
)
def test_a_wrong_file_fails_the_version_and_says_where(
    tmp_path: Path, text: str, said: str
) -> None:
    (tmp_path / "batching_params.pbtxt").write_text(text)
    with pytest.raises(ServiceFileError) as caught:
        settings_of(VersionPlan(batching=OF_ALL, batching_of_version=True), tmp_path)
    assert said in str(caught.value)


def test_a_version_is_where_its_directory_led_when_it_was_loaded(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "3").symlink_to(tmp_path / "real")
    settings = settings_of(VersionPlan(), tmp_path / "3")
    assert settings.worker.model_entry == (tmp_path / "real").resolve()


def test_a_worker_logs_the_requests_of_a_model_that_says_so(tmp_path: Path) -> None:
    settings = settings_of(VersionPlan(), tmp_path, RequestLog("/logs/m", 0.25))
    assert json.loads(settings.worker.model_config) == {
        "request_log": {"prefix": "/logs/m", "sampling_rate": 0.25, "model": "m", "version": 3}
    }
