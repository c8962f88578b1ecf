from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from eas_processor.config import LoadedService, load_service
from eas_processor.errors import ServiceFileError

Load = Callable[..., LoadedService]


def refusal(load: Load, tmp_path: Path, **keys: Any) -> str:
    with pytest.raises(ServiceFileError) as caught:
        load(**keys)
    return str(caught.value).removeprefix(f"{tmp_path / 'service.json'}: ")


def test_defaults_are_the_vendors(load: Load) -> None:
    loaded = load()
    rpc = loaded.service.metadata.rpc
    assert (rpc.keepalive, rpc.worker_threads, rpc.max_queue_size) == (5000, 5, 64)
    assert (rpc.batching, rpc.max_batch_size, rpc.max_batch_timeout) == (False, 16, None)
    assert loaded.service.metadata.instance == 1
    assert loaded.service.metadata.eas.termination_grace_period == 30
    assert loaded.service.token is None
    assert loaded.notes == []


def test_numbers_and_booleans_may_stand_in_quotes(load: Load) -> None:
    rpc = {"keepalive": "7000", "batching": "True", "max_batch_timeout": "20"}
    loaded = load(metadata={"instance": "2", "cpu": "1.5", "rpc": rpc}, generate_token="false")
    metadata = loaded.service.metadata
    assert (metadata.instance, metadata.cpu, metadata.rpc.keepalive) == (2, 1.5, 7000)
    assert metadata.rpc.batching is True
    assert metadata.rpc.max_batch_timeout == 20
    assert loaded.service.generate_token is False


@pytest.mark.parametrize(
    "keys",
    [
        {"metadata": {"rpc": {"keepalive": 9, "batching": True}}},
        {"metadata": {"rpc.keepalive": 9, "rpc": {"batching": True}}},
        {"metadata.rpc.keepalive": 9, "metadata": {"rpc": {"batching": True}}},
        {"metadata.rpc": {"keepalive": 9}, "metadata": {"rpc": {"batching": True}}},
    ],
)
def test_dotted_keys_are_nested_ones(load: Load, keys: dict[str, Any]) -> None:
    loaded = load(**keys)
    assert loaded.service.metadata.rpc.keepalive == 9
    assert loaded.service.metadata.rpc.batching is True
    assert loaded.notes == []


def test_dotted_grace_period(load: Load) -> None:
    loaded = load(metadata={"eas.termination_grace_period": 5})
    assert loaded.service.metadata.eas.termination_grace_period == 5


def test_dots_in_labels_and_model_config_are_left_alone(load: Load) -> None:
    loaded = load(labels={"a.b/c": "d"}, model_config={"x.y": [1, "ü"]})
    assert loaded.service.labels == {"a.b/c": "d"}
    assert json.loads(loaded.service.model_config) == {"x.y": [1, "ü"]}


@pytest.mark.parametrize("text", [False, True])
def test_names_of_deeprec_in_model_config_mean_keys_of_the_service_file(
    load: Load, text: bool
) -> None:
    config = {"session_num": 3, "warmup_file_name": "w.bin", "signature_name": "s"}
    given = json.dumps(config) if text else config
    service = load(model_config=given).service
    assert service.metadata.rpc.worker_threads == 3
    assert service.warm_up_data_path == "w.bin"
    assert json.loads(service.model_config) == config
    # The service file's own keys come first.
    own = load(
        model_config=given, warm_up_data_path="own.bin", metadata={"rpc": {"worker_threads": 7}}
    ).service
    assert (own.metadata.rpc.worker_threads, own.warm_up_data_path) == (7, "own.bin")


def test_a_session_num_that_is_no_number_is_refused(load: Load) -> None:
    with pytest.raises(ServiceFileError, match=r"worker_threads: expected a number of threads"):
        load(model_config={"session_num": "many"})


def test_model_config_text_is_kept(load: Load) -> None:
    assert load(model_config="any text").service.model_config == "any text"


def test_null_is_not_set(load: Load) -> None:
    loaded = load(token=None, metadata={"rpc": None, "cpu": None})
    assert loaded.service == load().service


def test_name_in_metadata(tmp_path: Path) -> None:
    path = tmp_path / "service.json"
    path.write_text(
        '{"metadata": {"name": "inner"}, "processor": "tensorflow_cpu", "model_path": "m"}'
    )
    loaded = load_service(path)
    assert loaded.service.name == "inner"
    assert loaded.notes == []


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (
            {"metadata": {"rpc": {"keepalive": "soon"}}},
            "metadata.rpc.keepalive: expected a number of milliseconds above 0, got 'soon'",
        ),
        (
            {"frontends": ["eas", "http"]},
            "frontends: expected a list of 'eas', 'tfs' and 'grpc', got [\"eas\", \"http\"]",
        ),
        (
            {"metadata": {"rpc.keepalive": 0}},
            "metadata.rpc.keepalive: expected a number of milliseconds above 0, got 0",
        ),
        (
            {"metadata": {"instance": 0}},
            "metadata.instance: expected a number of instances from 1 to 1024, got 0",
        ),
        (
            {"metadata": {"instance": True}},
            "metadata.instance: expected a number of instances from 1 to 1024, got true",
        ),
        (
            {"metadata": {"memory": -1}},
            "metadata.memory: expected a number of megabytes above 0, got -1",
        ),
        ({"metadata": {"cpu": 0}}, "metadata.cpu: expected a number of cores above 0, got 0"),
        (
            {"metadata": {"cpu": "nan"}},
            "metadata.cpu: expected a number of cores above 0, got 'nan'",
        ),
        (
            {"metadata": {"rpc": {"max_batch_size": 0}}},
            "metadata.rpc.max_batch_size: expected a number of requests above 0, got 0",
        ),
        (
            {"metadata": {"rpc": {"worker_threads": 0}}},
            "metadata.rpc.worker_threads: expected a number of threads from 1 to 1024, got 0",
        ),
        (
            {"metadata": {"rpc": {"max_queue_size": -1}}},
            "metadata.rpc.max_queue_size: expected a number of requests, 0 or more, got -1",
        ),
        (
            {"metadata": {"rpc": {"keepalive": 2**31}}},
            "metadata.rpc.keepalive: expected a number of milliseconds above 0, got 2147483648",
        ),
        (
            {"metadata": {"rolling_strategy.max_surge": "2x"}},
            "metadata.rolling_strategy.max_surge: expected a number of instances or a percentage "
            "such as '20%', got '2x'",
        ),
        (
            {"runtime": {"enable_crash_block": "maybe"}},
            "runtime.enable_crash_block: expected true or false, got 'maybe'",
        ),
        ({"metadata": []}, "metadata: expected an object, got []"),
        ({"metadata": {"rpc": 5}}, "metadata.rpc: expected an object, got 5"),
        (
            {"metadata": {"rpc": 5, "rpc.keepalive": 5}},
            "metadata.rpc: is given twice, keep one of them",
        ),
        (
            {"metadata": {"rpc": {"keepalive": 1}, "rpc.keepalive": 2}},
            "metadata.rpc.keepalive: is given twice, keep one of them",
        ),
        ({"model_config": 5}, "model_config: expected text or an object, got 5"),
        ({"model_path": 5}, "model_path: expected a path or a URL, got 5"),
        ({"model_path": ""}, "model_path: is missing, expected a path or a URL"),
        (
            {"processor": None},
            "processor: is missing, expected a name such as 'tensorflow_cpu'",
        ),
        (
            {"metadata": {"name": "other"}},
            "name: differs from metadata.name ('svc' and 'other'), keep one of them",
        ),
        (
            {"processor": "", "processor_entry": "app.py"},
            "processor_entry: is given without processor_path, which names the custom processor; "
            "expected there a path or a URL",
        ),
        (
            {"processor": "", "processor_path": "p.tar.gz", "processor_type": "Java"},
            "processor_type: java processors are not supported: "
            "write it in python or cpp (the ABI of the vendor's C and C++ processors)",
        ),
        (
            {"processor_path": "p", "processor_type": "ruby"},
            "processor_type: expected 'python' or 'cpp', got 'ruby'",
        ),
    ],
)
def test_refusals(load: Load, tmp_path: Path, keys: dict[str, Any], message: str) -> None:
    assert refusal(load, tmp_path, **keys) == message


@pytest.mark.parametrize("name", ["a b", "a/b", ".", "..", "-a", "a\n", "ü", "a" * 65, 5])
def test_names_that_are_refused(load: Load, tmp_path: Path, name: Any) -> None:
    assert refusal(load, tmp_path, name=name).startswith("name: expected 1 to 64 letters")


@pytest.mark.parametrize("name", ["a", "A-b_c.d", "_x", "0", "a" * 64])
def test_names_that_are_taken(load: Load, name: str) -> None:
    assert load(name=name).service.name == name


@pytest.mark.parametrize("token", ["two words", "tök", "line\n", "x" * 513, 5])
def test_a_refused_token_is_not_repeated(load: Load, tmp_path: Path, token: Any) -> None:
    message = refusal(load, tmp_path, token=token)
    assert message.startswith("token: expected text of up to 512 visible ASCII characters")
    assert message.endswith(", got something else")


@pytest.mark.parametrize("processor_type", ["python", "cpp", "CPP", "c++", "C", ""])
def test_a_custom_processor_needs_neither_a_build_nor_a_model(
    load: Load, processor_type: str
) -> None:
    service = load(
        processor=None, model_path=None, processor_path="p", processor_type=processor_type
    ).service
    assert (service.processor, service.model_path, service.processor_path) == ("", "", "p")


@pytest.mark.parametrize("key", ["models", "processors"])
def test_several_models_are_refused(load: Load, tmp_path: Path, key: str) -> None:
    assert refusal(load, tmp_path, **{key: [{"name": "a"}]}).startswith(f"{key}: several models")


def test_image_deployments_are_refused(load: Load, tmp_path: Path) -> None:
    message = refusal(load, tmp_path, processor=None, containers=[{"image": "x"}])
    assert message.startswith("containers: image deployments are not supported")


def test_a_file_that_holds_no_object(tmp_path: Path) -> None:
    path = tmp_path / "service.json"
    path.write_text("[1]")
    with pytest.raises(ServiceFileError, match=r"service\.json: expected an object \{\.\.\.\}"):
        load_service(path)


@pytest.mark.parametrize(
    ("keys", "note"),
    [
        (
            {"metadata": {"rpc": {"batchng": True}}},
            "metadata.rpc.batchng: unknown key, did you mean metadata.rpc.batching?",
        ),
        ({"keepalive": 5}, "keepalive: unknown key, did you mean metadata.rpc.keepalive?"),
        (
            {"metadata": {"rpc.keepalve": 5}},
            "metadata.rpc.keepalve: unknown key, did you mean metadata.rpc.keepalive?",
        ),
        ({"Token": "x"}, "Token: unknown key, did you mean token?"),
        ({"qwxz": 1}, "qwxz: unknown key"),
        ({"metadata": {"cpu.limit": 1}}, "metadata.cpu.limit: unknown key"),
    ],
)
def test_unknown_keys_are_noted(load: Load, keys: dict[str, Any], note: str) -> None:
    assert load(**keys).notes == [note]


def test_one_line_for_all_that_only_the_cloud_knows(load: Load) -> None:
    scheduling = {"scheduling.spread.policy": "host"}
    loaded = load(
        cloud={"computing": {}}, metadata={"resource": "r", "workspace_id": 5, **scheduling}
    )
    paths = "metadata.resource, metadata.workspace_id, metadata.scheduling, cloud"
    assert loaded.notes == [f"{paths}: no effect here (only in the cloud)"]


def test_one_line_for_all_that_is_not_there_yet(load: Load) -> None:
    loaded = load(autoscaler={"min": 1}, metadata={"type": "Async"})
    paths = "metadata.type, autoscaler"
    assert loaded.notes == [f"{paths}: no effect, not supported yet"]


def test_io_threads_say_why_they_do_nothing(load: Load) -> None:
    (note,) = load(metadata={"rpc": {"io_threads": 4}}).notes
    assert note.startswith("metadata.rpc.io_threads: no effect.")
    assert "one engine process" in note


def test_keys_that_ask_for_nothing_are_not_noted(load: Load) -> None:
    metadata = {"resource": "", "enable_grpc": "false", "rdma": 0, "rpc": {"rate_limit": "0"}}
    assert load(cloud={}, metadata=metadata).notes == []


def test_the_token_is_not_in_the_representation(load: Load) -> None:
    assert "hush" not in repr(load(token="hush"))
