"""Bodies and answers of TensorFlow Serving's REST routes, without TensorFlow."""

import base64
import json
import math
import struct

import numpy as np
import pytest

import eas_wire as wire
from eas_processor.codecs.codec import Spec, Target
from eas_processor.codecs.errors import CodecError
from eas_processor.codecs.registry import find
from eas_processor.link.frames import TFS_CLASSIFY_JSON, TFS_PREDICT_JSON, TFS_REGRESS_JSON

PREDICT, CLASSIFY, REGRESS = map(find, (TFS_PREDICT_JSON, TFS_CLASSIFY_JSON, TFS_REGRESS_JSON))


class Input(Spec):
    __slots__ = ("dtype", "name", "shape")

    def __init__(self, name, dtype):
        self.name, self.dtype, self.shape = name, dtype, None

    @property
    def dtype_name(self):
        return wire.dtype_name(self.dtype)


class NoSignature(Exception):
    code = "INVALID_ARGUMENT"


class Model(Target):
    """A model whose signatures have the inputs that a test gives it."""

    def __init__(self, **inputs):
        self._inputs = inputs

    def input_names(self, signature_name):
        if signature_name not in ("", "serving_default", "other"):
            raise NoSignature("no such signature")
        return list(self._inputs)

    def specs(self, signature_name, inputs, output_filter):
        return [Input(name, self._inputs[name]) for name in inputs]

    def example_outputs(self, signature_name, method):
        return ["scores"] if method == "classify" else ["outputs"]


def decode(body, codec=PREDICT, **inputs):
    """Return the arrays of a body as lists, and the form of its answer."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    request, form = codec.decode(raw, Model(**(inputs or {"x": wire.DT_FLOAT})))
    return {name: tensor.array.tolist() for name, tensor in request.inputs.items()}, form


def refusal(body, codec=PREDICT, **inputs):
    with pytest.raises(CodecError) as caught:
        decode(body, codec, **inputs)
    return str(caught.value)


@pytest.mark.parametrize(
    ("body", "expected", "by_rows"),
    [
        ({"instances": [1.0, 2, 5e0]}, [1.0, 2.0, 5.0], True),
        ({"instances": [[1], [2]]}, [[1.0], [2.0]], True),
        ({"instances": [{"x": 1}, {"x": 2}]}, [1.0, 2.0], True),
        ({"inputs": 1}, 1.0, False),
        ({"inputs": [[1], [2]]}, [[1.0], [2.0]], False),
        ({"inputs": {"x": [1], "extra": "ignored"}}, [1.0], False),
        ({"inputs": [], "more": {"keys": None}}, [], False),
        (b'{"instances": [1]} and what follows', [1.0], True),
        (b'\xef\xbb\xbf{"instances": [1]}', [1.0], True),
        (b'{"instances": [Infinity, -Infinity, 1e39, -1e39, 1e-50]}', None, True),
    ],
)
def test_values_are_read_in_row_and_in_columnar_form(body, expected, by_rows):
    arrays, form = decode(body)
    if expected is None:
        expected = [math.inf, -math.inf, math.inf, -math.inf, 0.0]
    assert (arrays["x"], form) == (expected, by_rows)


def test_nan_is_a_number():
    assert math.isnan(decode(b'{"inputs": NaN}')[0]["x"])


def test_several_inputs_go_by_name():
    inputs = {"a": wire.DT_INT32, "b": wire.DT_STRING}
    rows = {"instances": [{"a": 1, "b": "x"}, {"a": 2, "b": {"b64": "eQ=="}}]}
    columns = {"inputs": {"b": ["x", {"b64": "eQ=="}], "a": [[1, 2, 3]]}}
    assert decode(rows, **inputs)[0] == {"a": [1, 2], "b": [b"x", b"y"]}
    assert decode(columns, **inputs)[0] == {"a": [[1, 2, 3]], "b": [b"x", b"y"]}


@pytest.mark.parametrize(
    ("dtype", "value", "expected"),
    [
        (wire.DT_INT8, 300, 44),
        (wire.DT_UINT8, -1, 255),
        (wire.DT_INT64, 2**62, 2**62),
        (wire.DT_BOOL, True, True),
        (wire.DT_DOUBLE, 3, 3.0),
        (wire.DT_STRING, "é", "é".encode("utf-8")),
        (wire.DT_STRING, {"b64": base64.b64encode(b"\xff").decode()}, b"\xff"),
    ],
)
def test_values_of_each_dtype(dtype, value, expected):
    assert decode({"instances": [value]}, x=dtype)[0]["x"] == [expected]


@pytest.mark.parametrize(
    ("dtype", "value", "kind", "name"),
    [
        (wire.DT_FLOAT, None, "Null", "float"),
        (wire.DT_FLOAT, "a", "String", "float"),
        (wire.DT_FLOAT, True, "True", "float"),
        (wire.DT_INT32, 1.0, "Number", "int32"),
        (wire.DT_INT32, 2**31, "Number", "int32"),
        (wire.DT_INT64, 2**63, "Number", "int64"),
        (wire.DT_BOOL, 1, "Number", "bool"),
        (wire.DT_STRING, 1, "Number", "string"),
        (wire.DT_STRING, {"b64": "eQ==", "more": 1}, "Object", "string"),
    ],
)
def test_a_value_of_another_type_is_named_in_their_words(dtype, value, kind, name):
    # Inputs in columnar form, where no row is named around it.
    said = refusal({"inputs": {"x": [value]}}, x=dtype)
    assert said == "JSON Value: %s Type: %s is not of expected type: %s" % (
        json.dumps(value),
        kind,
        name,
    )


@pytest.mark.parametrize(
    "dtype", [wire.DT_HALF, wire.DT_BFLOAT16, wire.DT_UINT16, wire.DT_COMPLEX64]
)
def test_dtypes_that_json_cannot_carry_are_unimplemented(dtype):
    with pytest.raises(CodecError, match=r"Conversion of JSON Value: 1 to type: ") as caught:
        decode({"instances": [1]}, x=dtype)
    assert caught.value.code == "UNIMPLEMENTED"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "JSON Parse error: "),
        (b"{", "JSON Parse error: "),
        (b"[]", "JSON Parse error: the body is not a JSON object"),
        ({"signature_name": 5, "inputs": 1}, "'signature_name' key must be a string value"),
        (
            {"signature_name": "no", "inputs": 1},
            'Serving signature name: "no" not found in signature def',
        ),
        ({}, "Missing 'inputs' or 'instances' key"),
        ({"inputs": 1, "instances": [1]}, "Not formatted correctly expecting only one of"),
        ({"inputs": {"y": 1}}, "Missing named input: x in 'inputs' object."),
        ({"instances": []}, "'instances' must be a list of one element or more"),
        ({"instances": 1}, "'instances' must be a list of one element or more"),
        ({"instances": [1, {"x": 2}]}, "Failed to process element: 1 of 'instances' list. Error: "),
        ({"instances": [{"x": 2}, 1]}, "Failed to process element: 1 of 'instances' list. Error: "),
        ({"instances": [{"x": 1, "y": 1}]}, "JSON object: keys must be equal to: x"),
        ({"instances": [[1], [2, 3]]}, "Error: Expecting tensor size: 1 but got: 2"),
        (
            {"instances": [[[1, 2]], [[1], [2]]]},
            "Error: Expecting shape [1,2] but got: [2,1]",
        ),
        ({"instances": ["a"]}, "Failed to process element: 0 key: x of 'instances' list. Error: "),
        ({"inputs": [[1, 2], [3]]}, "Encountered list at unexpected size: 1 at level: 1 expected"),
        ({"inputs": [1, [2]]}, "Encountered list at unexpected level: 1 expected < 1"),
        ({"inputs": [[1], 2]}, "found at incorrect level: 1"),
        ({"inputs": {"x": {"b64": "?"}}}, "is not of expected type: float"),
    ],
)
def test_what_is_refused_is_told_in_their_words(body, said):
    assert said in refusal(body)


def test_base64_that_is_none_is_told():
    assert "Unable to base64 decode" in refusal({"inputs": {"b64": "?"}}, x=wire.DT_STRING)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"inputs": [1]}, "inputs is a plain value/list"),
        ({"instances": [1]}, "instances is a plain"),
    ],
)
def test_several_inputs_need_names(body, said):
    assert said in refusal(body, a=wire.DT_FLOAT, b=wire.DT_FLOAT)


def test_a_signature_without_inputs_is_told():
    with pytest.raises(CodecError, match="Failed to get input map for signature: other"):
        PREDICT.decode(b'{"signature_name": "other", "inputs": {}}', Model())


@pytest.mark.parametrize("depth", [65, 500, 500000])
def test_deep_nesting_is_refused_and_harms_nobody(depth):
    body = b'{"inputs": ' + b"[" * depth + b"]" * depth + b"}"
    assert "nested too deeply" in refusal(body)


def test_a_large_body_is_read_in_pieces():
    rows = np.arange(200000, dtype=np.float32).reshape(100, 2000)
    arrays, _ = decode(json.dumps({"instances": rows.tolist()}).encode())
    assert np.array_equal(arrays["x"], rows)


def tensors(**arrays):
    numbers = {"f": wire.DT_FLOAT, "O": wire.DT_STRING, "i": wire.DT_INT64, "c": wire.DT_COMPLEX64}
    return {
        name: wire.Tensor(numbers[np.asarray(each).dtype.kind], np.asarray(each))
        for name, each in arrays.items()
    }


@pytest.mark.parametrize(
    ("outputs", "by_rows", "expected"),
    [
        (tensors(y=np.float32([3, 0.2])), True, {"predictions": [3.0, 0.2]}),
        (tensors(y=np.float32([[3], [4]])), False, {"outputs": [[3.0], [4.0]]}),
        (tensors(y=np.float32(3)), False, {"outputs": 3.0}),
        (tensors(y=np.zeros((0, 2), np.float32)), True, {"predictions": []}),
        (
            tensors(a=np.float32([1, 2]), b=np.array([b"x", b"y"], object)),
            True,
            {"predictions": [{"a": 1.0, "b": "x"}, {"a": 2.0, "b": "y"}]},
        ),
        (
            tensors(a=np.int64([1, 2, 3]), b=np.float32([4])),
            False,
            {"outputs": {"a": [1, 2, 3], "b": [4.0]}},
        ),
        (tensors(i_bytes=np.array([b"x"], object)), True, {"predictions": [{"b64": "eA=="}]}),
    ],
)
def test_answers(outputs, by_rows, expected):
    assert json.loads(PREDICT.encode(outputs, by_rows).decode()) == expected


def test_floats_have_a_point_and_what_is_not_finite_its_word():
    text = PREDICT.encode(tensors(y=np.float32([3, 9e6, math.nan, math.inf, -math.inf])), True)
    assert b"3.0" in text and text.endswith(b"NaN, Infinity, -Infinity]}")
    assert all(b"." in each or b"e" in each for each in text[17:-2].split(b", ")[:2])


@pytest.mark.parametrize(
    ("outputs", "by_rows", "said"),
    [
        (tensors(y=np.float32(3)), True, "y has no shape information"),
        (
            tensors(a=np.float32([1, 2]), b=np.float32([1])),
            True,
            "b has inconsistent batch size: 1 expecting: 2",
        ),
        (
            tensors(y=np.complex64([1])),
            False,
            "Failed to write JSON value for tensor type: complex64",
        ),
    ],
)
def test_what_cannot_be_answered_is_told(outputs, by_rows, said):
    with pytest.raises(CodecError, match=said):
        PREDICT.encode(outputs, by_rows)


def test_shares_of_a_run_are_what_each_would_get_alone():
    outputs = tensors(y=np.arange(6, dtype=np.float32).reshape(6, 1))
    shares = PREDICT.encode_shares(outputs, 3, True)
    assert [json.loads(each.decode()) for each in shares] == [
        {"predictions": [[0.0], [1.0]]},
        {"predictions": [[2.0], [3.0]]},
        {"predictions": [[4.0], [5.0]]},
    ]


def examples(body, codec=REGRESS):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    request, form = codec.decode(raw, Model())
    (tensor,) = request.inputs.values()
    assert (list(request.inputs), tensor.dtype) == (["inputs"], wire.DT_STRING)
    return tensor.array.tolist(), form


FLOATS = b"\n\x0f\n\r\n\x01x\x12\x08\x12\x06\n\x04\x00\x00\x00@"


def test_a_number_too_large_for_a_float_is_infinite_in_an_example():
    (message,), _ = examples({"examples": [{"x": [1e300, -1e300, 1.5]}]})
    assert message.endswith(struct.pack("<3f", math.inf, -math.inf, 1.5))


def test_examples_become_messages():
    assert examples({"examples": [{"x": 2.0}]}) == ([FLOATS], 1)


def test_features_of_each_kind():
    (message,), _ = examples({"examples": [{"b": ["é", {"b64": "/w=="}], "i": [-1, True]}]})
    texts = b"\n\x01b\x12\x09\n\x07\n\x02\xc3\xa9\n\x01\xff"
    integers = b"\n\x01i\x12\x0f\x1a\x0d\n\x0b" + b"\xff" * 9 + b"\x01\x01"
    assert message == b"\n%c" % (4 + len(texts) + len(integers)) + b"".join(
        b"\n%c" % len(each) + each for each in (texts, integers)
    )


def test_the_context_is_part_of_each_example():
    found, count = examples({"context": {"x": 2.0}, "examples": [{}, {"y": 1}]})
    assert count == 2 and all(each.startswith(FLOATS) for each in found)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "key 'examples' is expected and was not found"),
        ({"examples": []}, "'examples' list is empty"),
        ({"examples": [1]}, "Example must be JSON object"),
        ({"context": 1, "examples": [{}]}, "Example context must be JSON object"),
        (
            {"examples": [{"x": [1, 1.5]}]},
            "Unexpected element type in feature: x expecting type: int64",
        ),
        ({"examples": [{"x": None}]}, "Feature: x has element with unexpected JSON type"),
        ({"examples": [{"x": [[1]]}]}, "Feature: x has element with unexpected JSON type"),
        ({"examples": [{"x": 2**63}]}, "Only int64_t is supported"),
        ({"examples": [{"x": {"b64": "?"}}]}, "Unable to base64 decode"),
    ],
)
def test_examples_that_are_none_are_told_in_their_words(body, said):
    with pytest.raises(CodecError) as caught:
        examples(body)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("outputs", "expected"),
    [
        (tensors(scores=np.float32([[3], [4]])), [[["", 3.0]], [["", 4.0]]]),
        (
            tensors(classes=np.array([[b"a", b"b"]] * 2, object), scores=np.float32([[1, 2]] * 2)),
            [[["a", 1.0], ["b", 2.0]]] * 2,
        ),
        (tensors(classes=np.array([[b"a"]] * 2, object)), [[["a", 0.0]]] * 2),
    ],
)
def test_classifications(outputs, expected):
    assert json.loads(CLASSIFY.encode(outputs, 2).decode()) == {"results": expected}


@pytest.mark.parametrize("array", [np.float32([3, 4]), np.float32([[3], [4]])])
def test_regressions(array):
    assert json.loads(REGRESS.encode(tensors(outputs=array), 2).decode()) == {"results": [3.0, 4.0]}


@pytest.mark.parametrize("array", [np.float32([3]), np.zeros((2, 2), np.float32), np.float32(1)])
def test_outputs_of_another_shape_are_refused(array):
    with pytest.raises(CodecError, match="Expected output Tensor"):
        REGRESS.encode(tensors(outputs=array), 2)
