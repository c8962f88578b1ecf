"""TensorFlow Lite models answer bodies of every encoding: data/tfs/README.md."""

import json
import shutil
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from fixtures import need
from fixtures.serving_messages import example, input_of, new, parsed, predict_request, tensor

need.module("tensorflow")

import eas_wire as wire
from eas_processor.link.frames import EAS_JSON, REGRESS_PROTO, TENSOR_PROTO, TFS_PREDICT_JSON
from eas_processor.tf import hooks
from eas_processor.tf.errors import ModelError
from eas_processor.tf.lite import interpreters
from eas_processor.tf.runtime import tf

TFS = Path(__file__).parents[1] / "data" / "tfs"
PLAIN = TFS / "saved_model_half_plus_two_tflite" / "00000123"
WITH_SIGNATURE = TFS / "saved_model_half_plus_two_tflite_with_sigdef" / "00000123"
PREFER = {"prefer_tflite_model": True}

pytestmark = pytest.mark.skipif(
    not hasattr(getattr(tf, "lite", None), "Interpreter"), reason="no tf.lite.Interpreter"
)


@pytest.fixture(params=[PLAIN, WITH_SIGNATURE], ids=["plain", "signature"])
def model(request):
    return hooks.initialize(str(request.param), PREFER)


def ask(model, body):
    return json.loads(hooks.process(model, json.dumps(body).encode(), TFS_PREDICT_JSON).decode())


def refusal(model, body, codec=TFS_PREDICT_JSON):
    with pytest.raises(Exception) as caught:
        hooks.process(model, body if isinstance(body, bytes) else json.dumps(body).encode(), codec)
    return caught.value.code, str(caught.value)


@pytest.mark.parametrize("value", [2.0, [1.0, 2.0, 5.0], [[2.0]], [[2.0], [5.0]], [[[2.0]]]])
def test_an_input_of_any_shape(model, value):
    expected = (np.array(value) / 2 + 2).tolist()
    assert ask(model, {"inputs": value}) == {"outputs": expected}
    assert ask(model, {"inputs": {"x": value}}) == {"outputs": expected}


def test_rows(model):
    assert ask(model, {"instances": [1.0, 2.0, 5.0]}) == {"predictions": [2.5, 3.0, 4.5]}
    assert ask(model, {"instances": [{"x": [2.0]}]}) == {"predictions": [[3.0]]}


def test_a_predict_request_of_tensorflow_serving(model):
    x = tensor(wire.DT_FLOAT, [2], float_val=[2.0, 5.0])
    body = predict_request(x=x).SerializeToString()
    answer = parsed("PredictResponse", hooks.process(model, body, TENSOR_PROTO))
    (entry,) = answer.outputs
    assert (entry.key, list(entry.value.float_val)) == ("y", [3.0, 4.5])


def test_requests_of_eas(model, request_of, predict):
    assert predict(model, {"x": np.float32([[2.0], [5.0]])})["y"].tolist() == [[3.0], [4.5]]
    answer = hooks.process(model, b'{"inputs": {"x": [[2.0]]}}', EAS_JSON)
    assert json.loads(answer.decode())["outputs"]
    shown = json.loads(hooks.process(model, b"").decode())
    assert shown["inputs"] == [{"name": "x", "shape": [1, 1], "type": "DT_FLOAT"}]
    body = request_of({"x": np.float32([2.0])}, ["z"])
    with pytest.raises(Exception, match="unknown output 'z'"):
        hooks.process(model, body)


def test_requests_that_come_together_are_answered_each_by_its_own_run(model):
    bodies = [json.dumps({"instances": rows}).encode() for rows in ([1.0], [2.0, 5.0], ["no"])]
    hooks.take_times()
    one, two, wrong = hooks.batch_process(model, bodies, [TFS_PREDICT_JSON] * 3)
    assert [json.loads(each.decode())["predictions"] for each in (one, two)] == [[2.5], [3.0, 4.5]]
    assert wrong.code == "INVALID_ARGUMENT"
    assert len(hooks.take_times()[0]) == 2


def test_wrong_requests(model):
    assert refusal(model, {"inputs": {"z": 1.0}})[1].startswith("Missing named input: x")
    strings = tensor(wire.DT_STRING, [1], string_val=[b"a"])
    said = refusal(model, predict_request(x=strings).SerializeToString(), TENSOR_PROTO)
    assert said[0] == "INVALID_ARGUMENT"
    assert "DT_STRING" in said[1]
    body = {"signature_name": "no", "inputs": 1.0}
    assert refusal(model, body)[1] == 'Serving signature name: "no" not found in signature def'
    assert ask(model, {"inputs": [2.0]}) == {"outputs": [3.0]}


def test_what_cannot_be_regressed(model):
    body = new("RegressionRequest", input=input_of(example(x=[2.0]))).SerializeToString()
    code, said = refusal(model, body, REGRESS_PROTO)
    assert code == "INVALID_ARGUMENT"
    assert "named 'inputs'" in said


def test_metadata_shows_the_signature(model):
    shown = json.loads(hooks.get_model_metadata(model).decode())["serving_default"]
    assert shown["inputs"]["x"]["dtype"] == "DT_FLOAT"
    assert shown["method_name"] == "tensorflow/serving/predict"


def test_threads_share_a_model(model):
    wrong = []

    def work(number):
        rows = [float(number)] * (1 + number % 3)
        expected = [number / 2 + 2] * len(rows)
        for _ in range(50):
            answer = ask(model, {"instances": rows})["predictions"]
            if answer != expected:
                wrong.append(answer)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.fixture
def both(tmp_path):
    """A directory with a SavedModel of x/2 + 3, and a `model.tflite` of x/2 + 2."""
    shutil.copytree(str(TFS / "saved_model_half_plus_three" / "00000123"), str(tmp_path / "1"))
    shutil.copy(str(PLAIN / "model.tflite"), str(tmp_path / "1"))
    return tmp_path / "1"


@pytest.mark.parametrize(("config", "answer"), [(PREFER, 3.0), ({}, 4.0)])
def test_the_flag_says_which_of_both_is_served(both, config, answer):
    assert ask(hooks.initialize(str(both), config), {"inputs": 2.0}) == {"outputs": answer}


def test_a_saved_model_alone_is_served_with_the_flag_too():
    path = TFS / "saved_model_half_plus_three" / "00000123"
    assert ask(hooks.initialize(str(path), PREFER), {"inputs": 2.0}) == {"outputs": 4.0}


def test_without_the_flag_the_file_is_told():
    with pytest.raises(
        ModelError, match="`tensorflow_model_server --prefer_tflite_model` serves it"
    ):
        hooks.initialize(str(PLAIN), {})


def test_a_damaged_file_is_named_in_one_sentence(tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes((PLAIN / "model.tflite").read_bytes()[:300])
    with pytest.raises(ModelError) as caught:
        hooks.initialize(str(tmp_path), PREFER)
    said = "{} is not a TensorFlow Lite model: its 300 bytes cannot be read".format(path)
    assert str(caught.value).startswith(said)
    assert "\n" not in str(caught.value)


def test_an_op_that_the_library_lacks_is_named():
    with pytest.raises(ModelError, match=r"model\.tflite: Encountered unresolved custom op"):
        hooks.initialize(str(TFS / "parse_example_tflite" / "00000123"), PREFER)


def test_a_build_without_the_library_says_so(monkeypatch):
    monkeypatch.setattr(interpreters, "tf", SimpleNamespace(__version__="1.12.3"))
    with pytest.raises(
        ModelError, match=r"TensorFlow 1\.12\.3 of this build cannot run TensorFlow Lite"
    ):
        hooks.initialize(str(PLAIN), PREFER)


def test_shapes_that_the_model_refuses_are_the_requests_fault(tmp_path):
    if tf.__version__ < "2":
        pytest.skip("TensorFlow 1 converts otherwise")

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32)] * 2)
    def add(a, b):
        return a + b

    converter = tf.lite.TFLiteConverter.from_concrete_functions([add.get_concrete_function()])
    (tmp_path / "model.tflite").write_bytes(converter.convert())
    model = hooks.initialize(str(tmp_path), PREFER)
    a, b = model.default_signature.inputs
    assert ask(model, {"inputs": {a: [5.0, 7.0], b: [1.0]}}) == {"outputs": [6.0, 8.0]}
    code, said = refusal(model, {"inputs": {a: [5.0, 7.0], b: [1.0, 2.0, 3.0]}})
    assert code == "INVALID_ARGUMENT"
    assert said.startswith("the model refused the request: ")
    assert ask(model, {"inputs": {a: [5.0], b: [1.0]}}) == {"outputs": [6.0]}
