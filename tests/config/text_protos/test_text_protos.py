"""TensorFlow Serving's configuration files, and what is said of wrong ones."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from eas_processor.config.batching import BatchingParameters
from eas_processor.config.models import All, Latest, ModelConfig, RequestLog, Specific
from eas_processor.config.text_protos.batching_config import read_batching
from eas_processor.config.text_protos.models_config import read_models
from eas_processor.config.text_protos.server_config import (
    Ssl,
    read_monitoring,
    read_session,
    read_ssl,
)
from eas_processor.errors import ServiceFileError

TWO = """
# Commas and colons as TensorFlow Serving's own example has them.
model_config_list: {
  config: {
    name: "half_plus_two", base_path: '/models/half_plus_two',
    model_platform: "tensorflow"
  },
  config {
    name: 'other'
    base_path: 'file:///models/other'
    model_type: TENSORFLOW
    model_version_policy { specific { versions: 3 versions: 5 } }
    version_labels { key: 'stable' value: 3 }
    version_labels { key: "canary" value: 5 }
    logging_config {
      log_collector_config { type: "" filename_prefix: "/logs/other" }
      sampling_config { sampling_rate: 0.5 }
    }
  }
}
"""


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    def make(text: str) -> Path:
        path = tmp_path / "a.config"
        path.write_text(text)
        return path

    return make


def test_models_are_read(write: Callable[[str], Path]) -> None:
    assert read_models(write(TWO)) == [
        ModelConfig("half_plus_two", Path("/models/half_plus_two"), Latest(1)),
        ModelConfig(
            "other",
            Path("/models/other"),
            Specific((3, 5)),
            {"stable": 3, "canary": 5},
            RequestLog("/logs/other", 0.5),
        ),
    ]


@pytest.mark.parametrize("text", ["", "model_config_list {}", "# nothing\n"])
def test_a_text_without_models_has_none(write: Callable[[str], Path], text: str) -> None:
    assert read_models(write(text)) == []


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("latest { num_versions: 2 }", Latest(2)),
        ("latest {}", Latest(1)),
        ("all {}", All()),
        ("specific { versions: 7 }", Specific((7,))),
    ],
)
def test_policies(write: Callable[[str], Path], policy: str, expected: object) -> None:
    config = f"name: 'm' base_path: '/m' model_version_policy {{ {policy} }}"
    (model,) = read_models(write(f"model_config_list {{ config {{ {config} }} }}"))
    assert model.policy == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "improperly formatted file",
            "Error parsing text-format tensorflow.serving.ModelServerConfig: {path}:1:1 : Message",
        ),
        ("model_config_list {\n  config { nam: 'x' }\n}", "{path}:2:12 : Message type"),
        ("model_config_list { config {", "{path}:1:"),
        ("model_config_list { config { base_path: '/m' } }", "config 1: name: is missing"),
        ("model_config_list { config { name: 'm' } }", "config 1 (m): base_path: is missing"),
        (
            "model_config_list { config { name: 'm' base_path: 's3://b' } }",
            "s3:// is not supported, expected a local directory",
        ),
        (
            "model_config_list { config { name: 'm' base_path: '/m\\000x' } }",
            "config 1 (m): base_path: '/m\\x00x' contains a zero byte: remove it",
        ),
        (
            "model_config_list { config { name: 'm' base_path: '/m' model_platform: 'torch' } }",
            "model_platform: expected 'tensorflow', got 'torch'",
        ),
        (
            "model_config_list { config { name: 'm' base_path: '/m' model_version_policy "
            "{ specific {} } } }",
            "specific names no versions",
        ),
        ("custom_model_config { type_url: 'x' }", "only model_config_list is supported"),
    ],
)
def test_a_wrong_file_is_refused_with_its_place(
    write: Callable[[str], Path], text: str, said: str
) -> None:
    path = write(text)
    with pytest.raises(ServiceFileError) as caught:
        read_models(path)
    assert said.format(path=path) in str(caught.value)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ServiceFileError, match="No such file"):
        read_models(tmp_path / "missing")


def test_batching_is_read(write: Callable[[str], Path]) -> None:
    text = """
        max_batch_size { value: 128 } batch_timeout_micros { value: 500 }
        max_enqueued_batches { value: 1000000 } num_batch_threads { value: 8 }
        thread_pool_name { value: "pool" } pad_variable_length_inputs: true
        allowed_batch_sizes: 32 allowed_batch_sizes: 128
    """
    assert read_batching(write(text)) == BatchingParameters(
        max_batch_size=128,
        batch_timeout_micros=500,
        max_enqueued_batches=1_000_000,
        num_batch_threads=8,
        thread_pool_name="pool",
        allowed_batch_sizes=(32, 128),
        pad_variable_length_inputs=True,
    )


def test_batching_has_theirs_as_defaults(write: Callable[[str], Path]) -> None:
    found = read_batching(write(""))
    assert (found.max_batch_size, found.batch_timeout_micros, found.max_enqueued_batches) == (
        1000,
        0,
        10,
    )


def test_a_run_has_as_many_rows_as_the_parameters_say(write: Callable[[str], Path]) -> None:
    text = """
        max_batch_size { value: 128 } max_execution_batch_size { value: 32 }
        allowed_batch_sizes: [8, 32] enable_large_batch_splitting { value: true }
    """
    assert read_batching(write(text)).rows_a_run == 32
    whole = "max_batch_size { value: 128 } enable_large_batch_splitting { value: true }"
    assert read_batching(write(whole)).rows_a_run == 128
    ignored = "max_batch_size { value: 8 } max_execution_batch_size { value: 32 }"
    assert read_batching(write(ignored)).rows_a_run == 8


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "max_batch_size { value: 8 } max_execution_batch_size { value: 9 } "
            "enable_large_batch_splitting { value: true }",
            "max_execution_batch_size: expected at most max_batch_size, which is 8, got 9",
        ),
        (
            "max_execution_batch_size { value: 16 } allowed_batch_sizes: [8, 1000] "
            "enable_large_batch_splitting { value: true }",
            "the last entry must be max_execution_batch_size, which is 16, got 1000",
        ),
        ("max_batch_size { value: 0 }", "max_batch_size: expected 1 or more, got 0"),
        ("batch_timeout_micros { value: -1 }", "batch_timeout_micros: expected 0 or more"),
        ("allowed_batch_sizes: [4, 2]", "entries must be monotonically increasing"),
        ("max_batch_size { value: 8 } allowed_batch_sizes: 4", "the last entry must be max_batch"),
        ("max_batch_size: 4", "Error parsing text-format tensorflow.serving.BatchingParameters"),
    ],
)
def test_wrong_batching_is_refused(write: Callable[[str], Path], text: str, said: str) -> None:
    with pytest.raises(ServiceFileError) as caught:
        read_batching(write(text))
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("prometheus_config: { enable: true, path: '/m' }", "/m"),
        ("prometheus_config { enable: true }", "/monitoring/prometheus/metrics"),
        ("prometheus_config { path: '/m' }", ""),
        ("", ""),
    ],
)
def test_monitoring_is_read(write: Callable[[str], Path], text: str, path: str) -> None:
    assert read_monitoring(write(text)) == path


def test_certificates_are_texts(write: Callable[[str], Path]) -> None:
    text = "server_key: '-----BEGIN K' server_cert: '-----BEGIN C' client_verify: true"
    assert read_ssl(write(text)) == Ssl("-----BEGIN K", "-----BEGIN C", "", True)
    with pytest.raises(ServiceFileError, match="server_cert: expected PEM text"):
        read_ssl(write("server_key: '-----BEGIN K' server_cert: '/path/to.crt'"))


def test_a_session_configuration_says_what_has_no_effect(write: Callable[[str], Path]) -> None:
    text = """
        intra_op_parallelism_threads: 2 log_device_placement: true
        gpu_options { per_process_gpu_memory_fraction: 0.5 allow_growth: true }
        graph_options { optimizer_options { opt_level: -1 } }
    """
    config, without_effect = read_session(write(text))
    assert config == {
        "intra_op_parallelism_threads": 2,
        "gpu_allow_growth": True,
        "gpu_memory_fraction": 0.5,
    }
    assert without_effect == ["log_device_placement", "graph_options"]


def test_they_are_not_imported_for_service_files() -> None:
    program = (
        "import sys, eas_processor.cli.serve;"
        "sys.exit(any('text_protos.' in each for each in sys.modules))"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
