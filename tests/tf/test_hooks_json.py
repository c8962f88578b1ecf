"""JSON and protobuf requests to the same model have the same values and refusals."""

import base64
import json

import numpy as np
import pytest
from fixtures import need

need.module("tensorflow")

from hypothesis import given, settings
from hypothesis import strategies as st

import eas_wire as wire
from eas_processor.codecs.eas_json.codec import EasJson
from eas_processor.codecs.eas_json.inputs import read_tensor
from eas_processor.codecs.errors import CodecError
from eas_processor.tf import hooks
from eas_processor.tf.errors import BadRequest, ModelRefusal
from eas_processor.tf.runtime import tf, v1

pytestmark = pytest.mark.medium

FLOATS = {"float32": 32, "float64": 64, "float16": 16, "bfloat16": 32}
INTEGERS = ["int8", "uint8", "int16", "uint16", "int32", "int64"]
QUANTIZED = ["qint8", "quint8", "qint16", "quint16", "qint32"]
# Nested lists have no shape such as (0, 2): an empty list says nothing of what is not in it.
SHAPES = st.sampled_from([(), (3,), (2, 3), (2, 1, 2), (0,), (2, 0)])


def digits():
    images = v1.placeholder(tf.float32, [None, 784], name="images")
    scores = tf.reduce_max(images, axis=1, keepdims=True) * tf.range(10.0)
    return {
        "predict_images": (
            {"images": images},
            {"scores": scores, "digit": v1.argmax(scores, axis=1)},
        )
    }


def scaled():
    x = v1.placeholder(tf.float32, [None, 2], name="x")
    factor = v1.placeholder(tf.float32, [], name="factor")
    return {"serving_default": ({"x": x, "factor": factor}, {"y": x * factor})}


def answer(model, document):
    return json.loads(hooks.process(model, json.dumps(document).encode(), EasJson.number).decode())


def refusal(call, *arguments):
    with pytest.raises((BadRequest, CodecError)) as caught:
        call(*arguments)
    return str(caught.value)


@pytest.mark.parametrize("inputs", [[[1.0] * 784], {"images": [[1.0] * 784]}])
def test_whole_tensors(load, inputs):
    outputs = answer(load(digits), {"inputs": inputs})["outputs"]
    assert outputs["digit"] == [9]
    assert outputs["scores"] == [list(range(10))]


@pytest.mark.parametrize("row", [[1] * 784, {"images": [1] * 784}])
def test_rows(load, row):
    request = {
        "signature_name": "predict_images",
        "instances": [row, row],
        "output_filter": ["digit"],
    }
    assert answer(load(digits), request) == {"predictions": [9, 9]}


def test_rows_of_several_inputs_and_outputs(load):
    def both():
        a = v1.placeholder(tf.float32, [None], name="a")
        b = v1.placeholder(tf.string, [None], name="b")
        return {"serving_default": ({"a": a, "b": b}, {"double": a * 2.0, "name": tf.identity(b)})}

    request = {"instances": [{"a": 1, "b": "x"}, {"b": "y", "a": 2}]}
    assert answer(load(both), request) == {
        "predictions": [{"double": 2, "name": "x"}, {"double": 4, "name": "y"}]
    }


def test_a_scalar_has_no_rows_but_can_be_sent_whole(load):
    model = load(scaled)
    assert answer(model, {"inputs": {"x": [[1, 2]], "factor": 3}}) == {"outputs": [[3, 6]]}
    sentence = refusal(answer, model, {"instances": [{"x": [1, 2], "factor": 3}]})
    assert sentence == "input 'factor': expected DT_FLOAT [], got DT_FLOAT [1] with 1 value"


@pytest.mark.parametrize(
    "inputs, output_filter, signature_name",
    [
        ({}, [], "predict_images"),
        ({"images": [[1.0]]}, [], ""),
        ({"images": 1.0}, [], ""),
        ({"pictures": [[1.0]]}, [], ""),
        ({"images": [[1.0] * 784], "y:0": 1.0}, [], ""),
        ({"images": [[1.0] * 784]}, ["digits"], ""),
        ({"images": [[1.0] * 784]}, ["digit", "digit"], ""),
        ({"images": [[1.0] * 784]}, [], "serving"),
    ],
)
def test_refusals_are_those_of_protobuf(load, request_of, inputs, output_filter, signature_name):
    model = load(digits)
    arrays = {name: np.array(value, np.float32) for name, value in inputs.items()}
    document = {
        "inputs": inputs,
        "output_filter": output_filter,
        "signature_name": signature_name,
    }
    expected = refusal(hooks.process, model, request_of(arrays, output_filter, signature_name))
    assert refusal(answer, model, document) == expected


def test_a_name_that_is_not_valid_unicode_is_unknown(load):
    model = load(digits)
    assert "unexpected input '\ud800'" in refusal(answer, model, {"inputs": {"\ud800": 1}})


def test_what_the_graph_refuses_is_the_requests_fault_here_too(load):
    model = load(scaled, '{"strict_shapes": false}')
    with pytest.raises(ModelRefusal, match="the model refused the request"):
        answer(model, {"inputs": {"x": [[1, 2]], "factor": [1, 2, 3]}})


def test_an_empty_object_is_told_what_the_model_takes(load):
    sentence = refusal(answer, load(digits), {})
    assert sentence.endswith("; signature 'predict_images' takes 'images' DT_FLOAT [-1, 784]")


def test_a_frozen_graph(save_graph):
    def build():
        x = v1.placeholder(tf.float32, [None, 2], name="x")
        tf.multiply(x, 2.0, name="y")

    model = hooks.initialize(save_graph(build), "")
    inputs = {"x": [[1, 2]]}
    assert answer(model, {"inputs": inputs, "output_filter": ["y"]}) == {"outputs": [[2, 4]]}
    assert answer(model, {"instances": [{"x:0": [1, 2]}], "output_filter": ["y:0"]}) == {
        "predictions": [[2, 4]]
    }
    sentence = refusal(answer, model, {"inputs": inputs})
    assert sentence == "Must specify at least one target to fetch or execute."
    sentence = refusal(answer, model, {"inputs": [[1, 2]], "output_filter": ["y"]})
    assert "this graph has no signature, so use the names of tensors" in sentence


def identity_of(dtype):
    def build():
        x = v1.placeholder(getattr(tf, dtype), None, name="x")
        return {"serving_default": ({"x": x}, {"y": tf.identity(x)})}

    return build


def values_of(dtype):
    if dtype == "bool":
        return st.booleans()
    if dtype == "string":
        return st.binary(max_size=8) | st.text(max_size=4).map(str.encode)
    if dtype in FLOATS:
        return st.floats(width=FLOATS[dtype])
    limits = np.iinfo(dtype.lstrip("q"))
    return st.integers(int(limits.min), int(limits.max))


def to_json(value):
    if not isinstance(value, bytes):
        return value
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"b64": base64.b64encode(value).decode()}


def nested(flat, shape):
    cells = np.empty(len(flat), object)
    cells[:] = flat
    return cells.reshape(shape).tolist()


def bits(value):
    """Return the bytes of a value, with equal ones for all NaNs, because JSON has one NaN."""
    if isinstance(value, bytes):
        return value
    return "NaN" if value != value else value.tobytes()


@pytest.mark.parametrize("dtype", sorted(FLOATS) + INTEGERS + QUANTIZED + ["bool", "string"])
def test_random_values_come_back_as_they_do_from_protobuf(load, predict, dtype):
    model = load(identity_of(dtype))
    number = getattr(tf, dtype).as_datatype_enum
    storage = wire.storage_dtype(number)

    @settings(max_examples=40, deadline=None)
    @given(st.data())
    def check(data):
        shape = data.draw(SHAPES)
        count = int(np.prod(shape))
        flat = data.draw(st.lists(values_of(dtype), min_size=count, max_size=count))
        array = np.empty(count, storage)
        array[:] = flat
        tensor = wire.Tensor(number, array.reshape(shape))
        expected = predict(model, {"x": tensor})["y"]
        sent = nested([to_json(value) for value in flat], shape)
        got = answer(model, {"inputs": {"x": sent}})["outputs"]
        returned = read_tensor(model.default_signature.inputs["x"], got).array
        assert returned.shape == expected.shape
        assert list(map(bits, returned.ravel())) == list(map(bits, expected.ravel()))

    check()


@pytest.mark.parametrize("choice, value", [("null", None), ("string", "Infinity")])
def test_json_nan_of_the_model_config(load, choice, value):
    model = load(scaled, '{"json_nan": "%s"}' % choice)
    found = answer(model, {"inputs": {"x": [[1e38, 0]], "factor": 1e38}})
    assert found == {"outputs": [[value, 0.0]]}
