"""TensorFlow Serving's own test models answer bodies of its REST routes: data/tfs/README.md."""

import json
from pathlib import Path

import pytest
from fixtures.serving_messages import example, input_of, new, parsed, predict_request, tensor

from eas_processor.link.frames import (
    CLASSIFY_PROTO,
    EAS_JSON,
    MULTI_INFERENCE,
    REGRESS_PROTO,
    TENSOR_CONTENT,
    TENSOR_PROTO,
    TFS_CLASSIFY_JSON,
    TFS_PREDICT_JSON,
    TFS_REGRESS_JSON,
)
from eas_processor.tf import hooks
from eas_processor.tf.runtime import tf, v1

DATA = Path(__file__).parent / "data" / "tfs"
SIGNATURES = (
    ("saved_model_half_plus_two_cpu", "half_plus_two_model_metadata.json"),
    (
        "saved_model_half_plus_two_2_versions",
        "saved_model_half_plus_two_2_versions_metadata.json",
    ),
    ("saved_model_half_plus_two_tf2_cpu", "saved_model_half_plus_two_tf2_2_versions_metadata.json"),
)
OF_TENSORFLOW_2 = ("saved_model_half_plus_two_tf2_cpu", "saved_model_half_plus_two_mlmd")
_loaded = {}


@pytest.fixture(autouse=True, scope="module")
def loaded_once():
    """Free the models before the interpreter ends, because they need it for their end."""
    yield
    _loaded.clear()


def model(folder):
    """One model, loaded once for all tests."""
    if folder in OF_TENSORFLOW_2 and tf.__version__ < "2":
        pytest.skip("it has ops that TensorFlow 1 lacks")
    if folder not in _loaded:
        _loaded[folder] = hooks.initialize(str(min((DATA / folder).iterdir())), "")
    return _loaded[folder]


def ask(folder, body, codec=TFS_PREDICT_JSON):
    return json.loads(hooks.process(model(folder), json.dumps(body).encode(), codec).decode())


def refusal(folder, body, codec=TFS_PREDICT_JSON):
    with pytest.raises(Exception) as caught:
        ask(folder, body, codec)
    return str(caught.value)


@pytest.mark.parametrize(
    ("folder", "row", "answer"),
    [
        ("saved_model_half_plus_two_cpu", [1.0, 2.0, 5.0], [2.5, 3.0, 4.5]),
        ("saved_model_half_plus_two_2_versions", [1.0, 2.0, 5.0], [2.5, 3.0, 4.5]),
        ("saved_model_half_plus_two_tf2_cpu", [1.0, 2.0, 5.0], [2.5, 3.0, 4.5]),
        ("saved_model_half_plus_two_mlmd", [1.0, 2.0, 5.0], [2.5, 3.0, 4.5]),
        ("saved_model_half_plus_two_mkl", [1.0, 2.0, 5.0], [2.5, 3.0, 4.5]),
        ("saved_model_half_plus_two_gpu", [1.0, 2.0, 5.0], [2.5, 3.0, 4.5]),
        ("saved_model_half_plus_three", [1.0, 2.0, 5.0], [3.5, 4.0, 5.5]),
        ("matrix_half_plus_two", [[[2] * 3] * 3], [[[3.0] * 3] * 3]),
    ],
)
def test_predict_in_row_and_in_columnar_form(folder, row, answer):
    assert ask(folder, {"instances": row}) == {"predictions": answer}
    assert ask(folder, {"inputs": row}) == {"outputs": answer}
    assert ask(folder, {"instances": [{"x": each} for each in row]}) == {"predictions": answer}
    assert ask(folder, {"inputs": {"x": row}}) == {"outputs": answer}


@pytest.mark.parametrize("value", [2.0, [2.0], [[2.0]], [[[2.0]]]])
def test_no_shape_is_checked_against_the_signature(value):
    answer = json.loads(json.dumps(value).replace("2.0", "3.0"))
    assert ask("saved_model_half_plus_two_cpu", {"inputs": value}) == {"outputs": answer}


@pytest.mark.parametrize(
    ("folder", "signature", "answer"),
    [
        ("saved_model_half_plus_two_cpu", "regress_x_to_y", [3.0, 42.0]),
        ("saved_model_half_plus_two_cpu", "regress_x_to_y2", [4.0, 43.0]),
        ("saved_model_half_plus_two_2_versions", "regress_x_to_y", [3.0, 42.0]),
        ("saved_model_half_plus_two_tf2_cpu", "regress_x_to_y", [3.0, 42.0]),
        ("saved_model_half_plus_three", "tensorflow/serving/regress", [4.0, 43.0]),
    ],
)
def test_regress(folder, signature, answer):
    body = {"signature_name": signature, "examples": [{"x": 2.0}, {"x": 80.0}]}
    assert ask(folder, body, TFS_REGRESS_JSON) == {"results": answer}
    shared = {"signature_name": signature, "context": {"x": 2.0}, "examples": [{}]}
    assert ask(folder, shared, TFS_REGRESS_JSON) == {"results": answer[:1]}


@pytest.mark.parametrize(
    "folder", ["saved_model_half_plus_two_cpu", "saved_model_half_plus_two_tf2_cpu"]
)
def test_classify(folder):
    body = {"signature_name": "classify_x_to_y", "examples": [{"x": 2.0}, {"x": 80.0}]}
    assert ask(folder, body, TFS_CLASSIFY_JSON) == {"results": [[["", 3.0]], [["", 42.0]]]}


@pytest.mark.parametrize(
    ("folder", "signature", "said"),
    [
        ("saved_model_half_plus_two_cpu", "no", "No signature was found with the name: no"),
        ("saved_model_half_plus_two_cpu", "", "Expected one input Tensor, named 'inputs'"),
        ("saved_model_half_plus_two_cpu", "classify_x_to_y", "Expected outputs outputs to regress"),
        ("saved_model_half_plus_two_cpu", "regress_x2_to_y3", "string"),
        ("saved_model_half_plus_two_mkl", "regress_x_to_y2", "to have a shape of [1]"),
    ],
)
def test_what_cannot_be_regressed(folder, signature, said):
    body = {"signature_name": signature, "examples": [{"x": 2.0}]}
    assert said in refusal(folder, body, TFS_REGRESS_JSON)


def test_methods_are_checked_where_that_is_asked_for():
    """All signatures of this model are for prediction."""
    if tf.__version__ < "2":
        pytest.skip("it has ops that TensorFlow 1 lacks")
    path = min((DATA / "saved_model_half_plus_two_tf2_cpu").iterdir())
    checked = hooks.initialize(str(path), {"enable_signature_method_name_check": True})

    def refused(name, codec):
        body = {"signature_name": name, "examples": [{"x": 2.0}]}
        with pytest.raises(Exception, match="signature method_name") as caught:
            hooks.process(checked, json.dumps(body).encode(), codec)
        return caught.value.code, str(caught.value)

    assert refused("classify_x_to_y", TFS_CLASSIFY_JSON) == (
        "INVALID_ARGUMENT",
        "Expected classification signature method_name to be tensorflow/serving/classify. "
        "Was: tensorflow/serving/predict",
    )
    assert refused("regress_x_to_y", TFS_REGRESS_JSON) == (
        "INVALID_ARGUMENT",
        "Expected regression signature method_name to be tensorflow/serving/regress. "
        "Was: tensorflow/serving/predict",
    )
    answer = hooks.process(checked, b'{"instances": [2.0]}', TFS_PREDICT_JSON)
    assert json.loads(answer.decode()) == {"predictions": [3.0]}


@pytest.mark.parametrize("checked", [True, False])
def test_a_signature_of_another_method_does_not_predict(load, checked):
    def doubled():
        x = v1.placeholder(tf.float32, [None], name="x")
        return {"serving_default": ({"x": x}, {"y": x * 2.0})}

    def edit(meta_graph):
        meta_graph.signature_def["serving_default"].method_name = "own"

    loaded = load(doubled, {"enable_signature_method_name_check": checked}, edit=edit)
    body = b'{"instances": [2.0]}'
    if not checked:
        answer = hooks.process(loaded, body, TFS_PREDICT_JSON)
        assert json.loads(answer.decode()) == {"predictions": [4.0]}
        return
    for _ in range(2):
        with pytest.raises(Exception, match="prediction signature method_name") as caught:
            hooks.process(loaded, body, TFS_PREDICT_JSON)
        assert caught.value.code == "MODEL_FAULT"
        assert str(caught.value).endswith("tensorflow/serving/regress}. Was: own")


def test_a_model_with_state_counts():
    name = "saved_model_counter"
    assert ask(name, {"signature_name": "incr_counter_by", "inputs": 3.0}) == {"outputs": 3.0}
    assert ask(name, {"signature_name": "incr_counter_by", "inputs": 1.0}) == {"outputs": 4.0}
    said = refusal(name, {"signature_name": "get_counter", "inputs": {}})
    assert said == "Failed to get input map for signature: get_counter"


def test_what_is_no_model_is_refused():
    with pytest.raises(Exception, match="bad_half_plus_two") as caught:
        hooks.initialize(str(DATA / "bad_half_plus_two" / "00000123"), "")
    assert caught.value.code == "MODEL_FAULT"


@pytest.mark.parametrize(("folder", "golden"), SIGNATURES)
def test_the_metadata_is_theirs(folder, golden):
    expected = json.loads((DATA / golden).read_text())["metadata"]["signature_def"]["signature_def"]
    for signature in expected.values():
        signature.setdefault("defaults", {})
    found = json.loads(hooks.get_model_metadata(model(folder)).decode())
    if "tf2" in folder:
        # Theirs was written before signatures had defaults.
        assert found["serving_default"]["defaults"].pop("x")["float_val"] == [0.0]
        # The golden file is of an export of its own: graph names differ.
        for each in (*found.values(), *expected.values()):
            for info in (*each["inputs"].values(), *each["outputs"].values()):
                del info["name"]
    if folder == "saved_model_half_plus_two_cpu":
        expected = {name: expected[name] for name in found}
    assert found == expected


def test_requests_of_all_encodings_run_together():
    loaded = model("saved_model_half_plus_two_cpu")
    bodies = [
        (b'{"instances": [[1.0], [2.0]]}', TFS_PREDICT_JSON),
        (b'{"instances": [[5.0]]}', EAS_JSON),
        (b'{"inputs": [[3.0]]}', TFS_PREDICT_JSON),
    ]
    for _ in range(3):  # the first prove that outputs come by row
        hooks.take_times()
        answers = hooks.batch_process(loaded, [body for body, _ in bodies], [c for _, c in bodies])
    assert hooks.take_times()[0] == [4]
    assert [json.loads(each.decode()) for each in answers] == [
        {"predictions": [[2.5], [3.0]]},
        {"predictions": [[4.5]]},
        {"outputs": [[3.5]]},
    ]


def test_requests_of_grpc():
    half_plus_two = model("saved_model_half_plus_two_cpu")
    for codec, field in ((TENSOR_PROTO, "float_val"), (TENSOR_CONTENT, "tensor_content")):
        bodies = [
            predict_request(x=tensor(1, [2], float_val=[n, 5])).SerializeToString() for n in (1, 2)
        ]
        answers = [hooks.process(half_plus_two, bodies[0], codec)]
        answers += hooks.batch_process(half_plus_two, bodies[1:] * 2, [codec] * 2)
        ys = [parsed("PredictResponse", each).outputs[0].value for each in answers]
        assert [len(getattr(y, field)) for y in ys] == [len(getattr(ys[0], field))] * 3 != [0] * 3
    assert list(ys[0].float_val) == []
    body = predict_request(x=tensor(1, [], float_val=[2])).SerializeToString()
    answer = parsed("PredictResponse", hooks.process(half_plus_two, body, TENSOR_PROTO))
    assert list(answer.outputs[0].value.float_val) == [3.0]
    body = predict_request(output_filter=["w"], x=tensor(1, [1])).SerializeToString()
    with pytest.raises(Exception, match="output tensor alias not found in signature: w"):
        hooks.process(half_plus_two, body, TENSOR_PROTO)


def test_an_input_with_a_default_may_be_left_out():
    half_plus_two = model("saved_model_half_plus_two_tf2_cpu")
    bodies = [predict_request(), predict_request(x=tensor(1, [1], float_val=[2]))]
    bodies = [each.SerializeToString() for each in bodies]
    answers = hooks.batch_process(half_plus_two, bodies, [TENSOR_PROTO] * 2)
    ys = [parsed("PredictResponse", each).outputs[0].value for each in answers]
    assert [list(each.float_val) for each in ys] == [[2.0], [3.0]]
    said = refusal("saved_model_half_plus_two_tf2_cpu", {"inputs": {}})
    assert said == "Missing named input: x in 'inputs' object."


def test_examples_of_grpc():
    half_plus_two = model("saved_model_half_plus_two_cpu")
    rows = input_of(example(x=[2.0]), example(x=[4.0]))
    spec = new("ModelSpec", signature_name="regress_x_to_y")
    body = new("RegressionRequest", model_spec=spec, input=rows).SerializeToString()
    answer = parsed("RegressionResponse", hooks.process(half_plus_two, body, REGRESS_PROTO))
    assert [each.value for each in answer.result.regressions] == [3.0, 4.0]
    spec = new("ModelSpec", signature_name="classify_x_to_y")
    body = new("ClassificationRequest", model_spec=spec, input=rows).SerializeToString()
    answer = parsed("ClassificationResponse", hooks.process(half_plus_two, body, CLASSIFY_PROTO))
    assert [each.classes[0].score for each in answer.result.classifications] == [3.0, 4.0]


def test_several_heads_of_one_run():
    half_plus_two = model("saved_model_half_plus_two_cpu")
    tasks = [
        new(
            "InferenceTask",
            model_spec=new("ModelSpec", name="m", signature_name=name),
            method_name="tensorflow/serving/" + name.split("_")[0],
        )
        for name in ("classify_x_to_y", "regress_x_to_y", "regress_x_to_y2")
    ]
    rows = input_of(example(x=[2.0]), example(x=[4.0]))
    body = new("MultiInferenceRequest", tasks=tasks, input=rows).SerializeToString()
    alone = hooks.process(half_plus_two, body, MULTI_INFERENCE)
    assert hooks.batch_process(half_plus_two, [body] * 2, [MULTI_INFERENCE] * 2) == [alone] * 2
    first, second, third = parsed("MultiInferenceResponse", alone).results
    found = first.classification_result.classifications
    assert [each.classes[0].score for each in found] == [3.0, 4.0]
    assert [each.value for each in second.regression_result.regressions] == [3.0, 4.0]
    assert [each.value for each in third.regression_result.regressions] == [4.0, 5.0]
