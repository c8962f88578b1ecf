"""
Every servable test model of TensorFlow Serving, by every method of gRPC, from one server.

The answers are those of the models' README, computed with TensorFlow itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from e2e.test_grpc_client import free_port
from e2e.test_grpc_services import EXAMPLES, METHOD, SERVING, X, refused, spec_of
from e2e.test_model_server import ANSWER_THREE, ANSWER_TWO, DATA, Server, config_of, put
from fixtures.many import eventually
from fixtures.serving_messages import example, input_of, new, parsed, predict_request, tensor

TWOS = {
    "cpu": "half_plus_two_cpu",
    "gpu": "half_plus_two_gpu",
    "mkl": "half_plus_two_mkl",
    "mlmd": "half_plus_two_mlmd",
    "tf2": "half_plus_two_tf2_cpu",
}
OTHERS = {"three": "half_plus_three", "counter": "counter"}
OLD, NEW = 123, 124
AVAILABLE = 30
BOTH = [(NEW, AVAILABLE), (OLD, AVAILABLE)]
INVALID = grpc.StatusCode.INVALID_ARGUMENT


class Client:
    """Calls the services without stubs."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._channel = channel

    def ask(self, service: str, method: str, answer: str, request: Any) -> Any:
        call = self._channel.unary_unary(f"{SERVING}{service}/{method}")
        return parsed(answer, call(request.SerializeToString(), timeout=60))

    def predict(self, request: Any) -> Any:
        return self.ask("PredictionService", "Predict", "PredictResponse", request)

    def regress(self, model: str, signature: str, given: Any = EXAMPLES) -> Any:
        spec = new("ModelSpec", name=model, signature_name=signature)
        request = new("RegressionRequest", model_spec=spec, input=given)
        return self.ask("PredictionService", "Regress", "RegressionResponse", request)

    def classify(self, model: str, signature: str) -> Any:
        spec = new("ModelSpec", name=model, signature_name=signature)
        request = new("ClassificationRequest", model_spec=spec, input=EXAMPLES)
        return self.ask("PredictionService", "Classify", "ClassificationResponse", request)

    def infer(self, model: str, *signatures: str) -> Any:
        tasks = [
            new(
                "InferenceTask",
                model_spec=new("ModelSpec", name=model, signature_name=each),
                method_name=METHOD + each.partition("_")[0],
            )
            for each in signatures
        ]
        request = new("MultiInferenceRequest", tasks=tasks, input=EXAMPLES)
        return self.ask("PredictionService", "MultiInference", "MultiInferenceResponse", request)

    def signatures(self, model: str) -> dict[str, Any]:
        spec = new("ModelSpec", name=model)
        request = new("GetModelMetadataRequest", model_spec=spec, metadata_field=["signature_def"])
        method, answer = "GetModelMetadata", "GetModelMetadataResponse"
        (entry,) = self.ask("PredictionService", method, answer, request).metadata
        definitions = parsed("SignatureDefMap", entry.value.value).signature_def
        return {each.key: each.value for each in definitions}

    def states(self, model: str) -> list[tuple[int, int]]:
        request = new("GetModelStatusRequest", model_spec=new("ModelSpec", name=model))
        answer = self.ask("ModelService", "GetModelStatus", "GetModelStatusResponse", request)
        return [(each.version, each.state) for each in answer.model_version_status]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    directory = tmp_path_factory.mktemp("server")
    models: dict[str, Any] = {
        name: DATA / f"saved_model_{folder}" for name, folder in (TWOS | OTHERS).items()
    }
    models["matrix"] = DATA / "matrix_half_plus_two"
    for version in (OLD, NEW):
        put("saved_model_half_plus_two_cpu", directory / "both", version)
    labels = f"version_labels {{ key: 'old' value: {OLD} }}"
    models["both"] = directory / "both", f"model_version_policy {{ all {{}} }} {labels}"
    config = directory / "models.config"
    config.write_text(config_of(**models))
    port = free_port()
    server = Server(
        directory,
        f"--port={port}",
        f"--model_config_file={config}",
        "--allow_version_labels_for_unavailable_models",
    )
    try:
        server.wait()
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            client = Client(channel)
            eventually(lambda: client.states("both") == BOTH)  # the port opens with the first
            yield client
    finally:
        server.stop()


def values(answer: Any, output: str) -> list[float]:
    (value,) = (each.value for each in answer.outputs if each.key == output)
    return list(value.float_val)


def regressions(result: Any) -> list[float]:
    return [each.value for each in result.regressions]


def scores(result: Any) -> list[list[tuple[str, float]]]:
    return [[(each.label, each.score) for each in row.classes] for row in result.classifications]


LABELLED = [[("", each)] for each in ANSWER_TWO]


@pytest.mark.parametrize("model", TWOS)
class TestHalfPlusTwo:
    def test_predict(self, client: Client, model: str) -> None:
        answer = client.predict(predict_request(model=model, x=X))
        assert values(answer, "y") == ANSWER_TWO
        assert spec_of(answer.model_spec) == (model, OLD, "serving_default")

    def test_predict_takes_serialized_examples(self, client: Client, model: str) -> None:
        rows = [example(x=[each]).SerializeToString() for each in (1.0, 2.0, 5.0)]
        inputs = tensor(7, [3], string_val=rows)
        answer = client.predict(predict_request("regress_x_to_y", model=model, inputs=inputs))
        assert values(answer, "outputs") == ANSWER_TWO

    def test_regress(self, client: Client, model: str) -> None:
        answer = client.regress(model, "regress_x_to_y")
        assert regressions(answer.result) == ANSWER_TWO
        assert spec_of(answer.model_spec) == (model, OLD, "regress_x_to_y")

    def test_each_regression_is_of_one_value(self, client: Client, model: str) -> None:
        if model == "mkl":  # its y2 has the shape [1, 10, 10, 1]
            assert refused(lambda: client.regress(model, "regress_x_to_y2"))[0] == INVALID
        else:
            answer = client.regress(model, "regress_x_to_y2")
            assert regressions(answer.result) == [3.5, 4.0, 5.5]

    def test_classify(self, client: Client, model: str) -> None:
        answer = client.classify(model, "classify_x_to_y")
        assert scores(answer.result) == LABELLED
        assert spec_of(answer.model_spec) == (model, OLD, "classify_x_to_y")

    def test_an_input_of_floats_takes_no_examples(self, client: Client, model: str) -> None:
        assert refused(lambda: client.regress(model, "regress_x2_to_y3"))[0] == INVALID

    def test_several_inferences(self, client: Client, model: str) -> None:
        both = "regress_x_to_y", "classify_x_to_y"
        if model == "tf2":  # each of its signatures has a placeholder of its own
            text = "Input tensor must be the same for all Signatures."
            assert refused(lambda: client.infer(model, *both)) == (INVALID, text)
            return
        first, second = client.infer(model, *both).results
        assert regressions(first.regression_result) == ANSWER_TWO
        assert scores(second.classification_result) == LABELLED
        assert [spec_of(each.model_spec)[2] for each in (first, second)] == list(both)

    def test_metadata(self, client: Client, model: str) -> None:
        signatures = client.signatures(model)
        fixed = {"serving_default", "regress_x_to_y", "regress_x_to_y2", "classify_x_to_y"}
        assert fixed | {"regress_x2_to_y3"} <= set(signatures)
        method = signatures["regress_x_to_y"].method_name
        assert method == METHOD + ("predict" if model == "tf2" else "regress")
        (x,) = signatures["serving_default"].inputs
        assert (x.key, x.value.dtype) == ("x", 1)
        assert x.value.tensor_shape.unknown_rank == (model == "mlmd")

    def test_status(self, client: Client, model: str) -> None:
        assert client.states(model) == [(OLD, AVAILABLE)]


def test_an_input_with_a_default_may_be_left_out(client: Client) -> None:
    assert values(client.predict(predict_request(model="tf2")), "y") == [2.0]


def test_a_signature_without_a_shape_takes_any(client: Client) -> None:
    assert values(client.predict(predict_request(model="three", x=X)), "y") == ANSWER_THREE


def test_a_regression_input_is_fed_examples_whatever_it_declares(client: Client) -> None:
    answer = client.regress("three", METHOD + "regress", input_of(example(x=[2.0])))
    assert regressions(answer.result) == [4.0]


def test_a_counter_keeps_its_state_from_call_to_call(client: Client) -> None:
    def count(signature: str, **inputs: Any) -> float:
        answer = client.predict(predict_request(signature, model="counter", **inputs))
        (value,) = values(answer, "output")
        return value

    assert count("reset_counter") == 0.0
    assert count("incr_counter") == 1.0
    assert count("incr_counter_by", delta=tensor(1, [], float_val=[2.5])) == 3.5
    assert count("get_counter") == 3.5


def test_matrices(client: Client) -> None:
    x = tensor(1, [2, 3, 3], float_val=[2.0])  # the last value fills up what is missing
    answer = client.predict(predict_request(model="matrix", x=x))
    assert values(answer, "y") == [3.0] * 18
    assert [dim.size for dim in answer.outputs[0].value.tensor_shape.dim] == [2, 3, 3]


@pytest.mark.parametrize(
    ("asked", "version"),
    [
        ({}, NEW),
        ({"version": new("Int64Value", value=OLD)}, OLD),
        ({"version": new("Int64Value", value=NEW)}, NEW),
        ({"version_label": "old"}, OLD),
    ],
)
def test_the_version_that_is_asked_for_answers(
    client: Client, asked: dict[str, Any], version: int
) -> None:
    request = predict_request(model="both", x=X)
    request.model_spec.MergeFrom(new("ModelSpec", **asked))
    answer = client.predict(request)
    assert values(answer, "y") == ANSWER_TWO
    assert spec_of(answer.model_spec) == ("both", version, "serving_default")


def test_the_status_lists_the_newest_version_first(client: Client) -> None:
    assert client.states("both") == BOTH


@pytest.mark.parametrize(
    ("model", "asked", "code", "text"),
    [
        ("q", {}, "NOT_FOUND", "Servable not found for request: Latest(q)"),
        (
            "both",
            {"version": new("Int64Value", value=9)},
            "NOT_FOUND",
            "Servable not found for request: Specific(both, 9)",
        ),
        (
            "both",
            {"version_label": "q"},
            "INVALID_ARGUMENT",
            "Unrecognized servable version label: q",
        ),
    ],
)
def test_what_is_not_served_is_told_in_their_words(
    client: Client, model: str, asked: dict[str, Any], code: str, text: str
) -> None:
    request = predict_request(model=model, x=X)
    request.model_spec.MergeFrom(new("ModelSpec", **asked))
    assert refused(lambda: client.predict(request)) == (grpc.StatusCode[code], text)
