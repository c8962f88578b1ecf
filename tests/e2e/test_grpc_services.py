"""Every gRPC service of `tensorflow_model_server`, with TensorFlow Serving's own test models."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from e2e.test_model_server import ANSWER_TWO, Server, put
from e2e.test_model_server import start as start
from fixtures.many import eventually
from fixtures.serving_messages import example, input_of, new, parsed, predict_request, tensor
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub

from eas_processor.config.text_protos.messages import message_class

TWO = "saved_model_half_plus_two_cpu"
SERVING = "/tensorflow.serving."
METHOD = "tensorflow/serving/"
X = tensor(1, [3], float_val=[1.0, 2.0, 5.0])
EXAMPLES = input_of(*(example(x=[each]) for each in (1.0, 2.0, 5.0)))
Code = grpc.StatusCode


class Client:
    """Calls a server without stubs."""

    def __init__(self, channel: grpc.Channel, models: Path) -> None:
        self.channel = channel
        self.models = models

    def ask(self, method: str, request: Any, answer: str) -> Any:
        call = self.channel.unary_unary(SERVING + method)
        return parsed(answer, call(request.SerializeToString(), timeout=60))

    def predict(self, request: Any) -> Any:
        return self.ask("PredictionService/Predict", request, "PredictResponse")

    def reload(self, *names: str) -> bytes:
        request = message_class("tensorflow.serving.ReloadConfigRequest")()
        for name in names:
            config = request.config.model_config_list.config.add()
            config.name, config.base_path = name, str(self.models)
        request.metric_names.append(":tensorflow:serving:request_count")
        path = SERVING + "ModelService/HandleReloadConfigRequest"
        answer: bytes = self.channel.unary_unary(path)(request.SerializeToString(), timeout=60)
        return answer


@pytest.fixture
def client(start: Callable[..., Server], tmp_path: Path) -> Iterator[Client]:
    models = tmp_path / "models" / "two"
    put(TWO, models, 124)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    start(
        f"--port={port}",
        "--model_name=two",
        f"--model_base_path={models}",
        "--enable_grpc_healthcheck_service",
    ).wait()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield Client(channel, models)


def spec_of(message: Any) -> tuple[str, int, str]:
    return message.name, message.version.value, message.signature_name


def refused(call: Callable[[], Any]) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.RpcError) as raised:
        call()
    return raised.value.code(), raised.value.details()


def test_each_service_answers_as_its_model_does(client: Client) -> None:
    answer = client.predict(predict_request(model="two", x=X))
    assert spec_of(answer.model_spec) == ("two", 124, "serving_default")
    (output,) = answer.outputs
    assert (output.key, list(output.value.float_val)) == ("y", ANSWER_TWO)
    assert not output.value.tensor_content

    def spec(signature: str) -> Any:
        return new("ModelSpec", name="two", signature_name=signature)

    request = new("ClassificationRequest", model_spec=spec("classify_x_to_y"), input=EXAMPLES)
    answer = client.ask("PredictionService/Classify", request, "ClassificationResponse")
    assert [each.classes[0].score for each in answer.result.classifications] == ANSWER_TWO
    assert spec_of(answer.model_spec) == ("two", 124, "classify_x_to_y")

    request = new("RegressionRequest", model_spec=spec("regress_x_to_y"), input=EXAMPLES)
    answer = client.ask("PredictionService/Regress", request, "RegressionResponse")
    assert [each.value for each in answer.result.regressions] == ANSWER_TWO

    tasks = [
        new("InferenceTask", model_spec=spec(f"{api}_x_to_y"), method_name=METHOD + api)
        for api in ("regress", "classify")
    ]
    request = new("MultiInferenceRequest", tasks=tasks, input=EXAMPLES)
    answer = client.ask("PredictionService/MultiInference", request, "MultiInferenceResponse")
    assert [spec_of(each.model_spec) for each in answer.results] == [
        ("two", 124, "regress_x_to_y"),
        ("two", 124, "classify_x_to_y"),
    ]
    assert [each.value for each in answer.results[0].regression_result.regressions] == ANSWER_TWO

    request = new("GetModelMetadataRequest", model_spec=spec(""), metadata_field=["signature_def"])
    answer = client.ask("PredictionService/GetModelMetadata", request, "GetModelMetadataResponse")
    signatures = parsed("SignatureDefMap", answer.metadata[0].value.value).signature_def
    assert {"serving_default", "classify_x_to_y"} < {each.key for each in signatures}

    health = HealthStub(client.channel)
    for name in ("", "ModelService", "PredictionService"):
        status = health.Check(HealthCheckRequest(service=name), timeout=60).status
        assert status == HealthCheckResponse.SERVING


REFUSALS = [
    (
        predict_request("S", model="two", x=X),
        Code.FAILED_PRECONDITION,
        'Serving signature key "S" not found.',
    ),
    (
        predict_request(model="two"),
        Code.INVALID_ARGUMENT,
        "input size does not match signature: 0!=1 len({}) != len({x}). Sent extra: {}. "
        "Missing but required: {x}.",
    ),
    (
        predict_request(model="two", output_filter=["q"], x=X),
        Code.INVALID_ARGUMENT,
        "output tensor alias not found in signature: q Outputs expected to be in the set {y}.",
    ),
]


def test_the_model_refuses_in_their_words(client: Client) -> None:
    for request, code, text in REFUSALS:
        with pytest.raises(grpc.RpcError) as raised:
            client.predict(request)
        assert (raised.value.code(), raised.value.details()) == (code, text)


def test_another_configuration_replaces_the_models(client: Client) -> None:
    request = predict_request(model="two", x=X)
    client.predict(request)
    assert client.reload("two", "new").startswith(b"\x0a\x00\x12")
    assert client.predict(predict_request(model="new", x=X)).model_spec.name == "new"
    client.predict(request)
    client.reload("new")
    assert refused(lambda: client.predict(request))[0] == Code.NOT_FOUND
    assert refused(lambda: client.reload("new", "new")) == (
        Code.INVALID_ARGUMENT,
        "Illegal to list model new multiple times in config list",
    )
    status = new("GetModelStatusRequest", model_spec=new("ModelSpec", name="two"))

    def state() -> int:
        answer = client.ask("ModelService/GetModelStatus", status, "GetModelStatusResponse")
        return int(answer.model_version_status[0].state)

    end = 50
    eventually(lambda: state() == end)
