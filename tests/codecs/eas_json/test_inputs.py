import base64
import json

import pytest

import eas_wire as wire
from eas_processor.codecs.eas_json.inputs import read_tensor
from eas_processor.codecs.errors import CodecError

DT_UINT32 = 22


@pytest.fixture
def read(spec_of):
    """Read a value in the exact way and, if it has no booleans, also in the fast way."""

    def call(dtype, value):
        tensors = [read_tensor(spec_of("x", dtype), value)]
        if "rue" not in repr(value) and "alse" not in repr(value):
            tensors.append(read_tensor(spec_of("x", dtype), value, has_booleans=False))
        for tensor in tensors:
            assert tensor.dtype == dtype
            assert tensor.array.dtype == wire.storage_dtype(dtype)
            assert repr(tensor.array) == repr(tensors[0].array)
        return tensors[-1].array

    return call


def refusal(spec, value):
    """Return the message that refuses a value, which is the same in both ways."""
    with pytest.raises(CodecError) as caught:
        read_tensor(spec, value)
    if "rue" not in repr(value):
        with pytest.raises(CodecError) as quick:
            read_tensor(spec, value, has_booleans=False)
        assert str(quick.value) == str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    "value, shape",
    [
        (1, ()),
        ([], (0,)),
        ([1, 2], (2,)),
        ([[1, 2, 3], [4, 5, 6]], (2, 3)),
        ([[], []], (2, 0)),
        ([[[1]], [[2]]], (2, 1, 1)),
    ],
)
def test_the_lists_give_the_shape(read, value, shape):
    array = read(wire.DT_INT64, value)
    assert array.shape == shape
    assert array.tolist() == value


@pytest.mark.parametrize(
    "dtype, value",
    [
        (wire.DT_FLOAT, [1, 2.5, -0.0, float("inf")]),
        (wire.DT_DOUBLE, [1, 0.1, float("-inf"), 1e300]),
        (wire.DT_HALF, [1, 2.5, 65504]),
        (wire.DT_BFLOAT16, [1, 2.5]),
        (wire.DT_INT32, [-(2**31), 2**31 - 1]),
        (wire.DT_INT64, [-(2**63), 2**63 - 1, 2**53 + 1]),
        (wire.DT_UINT8, [0, 255]),
        (wire.DT_UINT16, [0, 65535]),
        (wire.DT_QINT8, [-128, 127]),
        (wire.DT_BOOL, [True, False]),
    ],
)
def test_values(read, dtype, value):
    assert read(dtype, value).tolist() == value


def test_strings_are_text_or_base64(read):
    given = ["", "é", {"b64": base64.b64encode(b"\xff\0").decode()}, {"b64": ""}]
    assert read(wire.DT_STRING, given).tolist() == [b"", "é".encode(), b"\xff\0", b""]
    assert read(wire.DT_STRING, "a").item() == b"a"


@pytest.mark.parametrize(
    "dtype, value, sentence",
    [
        (wire.DT_FLOAT, [1, True], " at [1]: expected a number for DT_FLOAT, got true"),
        (wire.DT_FLOAT, [[1], ["2"]], ' at [1][0]: expected a number for DT_FLOAT, got "2"'),
        (wire.DT_FLOAT, None, ": expected a number for DT_FLOAT, got null"),
        (wire.DT_FLOAT, [1, [2]], " at [1]: expected a number for DT_FLOAT, got a list of 1"),
        (wire.DT_FLOAT, {"b64": "AA=="}, ": expected a number for DT_FLOAT, got an object"),
        (wire.DT_FLOAT, [[0, 1e39]], " at [0][1]: DT_FLOAT cannot hold 1e+39"),
        (wire.DT_HALF, 70000, ": DT_HALF cannot hold 70000"),
        (wire.DT_INT32, [1.5], " at [0]: expected an integer for DT_INT32, got 1.5"),
        (wire.DT_INT32, [1.0], " at [0]: expected an integer for DT_INT32, got 1.0"),
        (wire.DT_INT32, [float("nan")], " at [0]: expected an integer for DT_INT32, got NaN"),
        (
            wire.DT_INT32,
            [0, 2**31],
            " at [1]: DT_INT32 takes -2147483648 to 2147483647, got 2147483648",
        ),
        (wire.DT_INT8, [[0, 1], [2, 300]], " at [1][1]: DT_INT8 takes -128 to 127, got 300"),
        (wire.DT_UINT8, [-1], " at [0]: DT_UINT8 takes 0 to 255, got -1"),
        (wire.DT_BOOL, [0], " at [0]: expected true or false for DT_BOOL, got 0"),
        (wire.DT_STRING, [1], ' at [0]: expected text or {"b64": "..."} for DT_STRING, got 1'),
        (wire.DT_STRING, ["\ud800"], ' at [0]: the text "\\ud800" has an unpaired surrogate'),
        (
            wire.DT_STRING,
            {"b64": "", "x": 1},
            ': expected text or {"b64": "..."}, got another object',
        ),
        (
            wire.DT_STRING,
            [{"b64": "_w=="}],
            " at [0]: 'b64': expected standard base64, with '+', '/' and padding, got \"_w==\"",
        ),
    ],
)
def test_a_value_that_does_not_fit_is_refused_with_its_place(spec_of, dtype, value, sentence):
    assert refusal(spec_of("x", dtype), value) == "input 'x'" + sentence


@pytest.mark.parametrize(
    "value, place, expected, got",
    [
        ([[1, 2], [3]], "[1]", 2, "a list of 1"),
        ([[1, 2], 3], "[1]", 2, "3"),
        ([[[1], [2]], [[3], [4, 5]]], "[1][1]", 1, "a list of 2"),
        ([[], [1]], "[1]", 0, "a list of 1"),
        ([[["a"]], [[]]], "[1][0]", 1, "a list of 0"),
    ],
)
def test_ragged_lists_are_refused_with_the_place(spec_of, value, place, expected, got):
    assert refusal(spec_of("x", wire.DT_FLOAT), value) == (
        f"input 'x' at {place}: expected a list of {expected} like the first one, got {got}"
    )


def test_a_rank_that_numpy_does_not_have(read):
    with pytest.raises(CodecError, match="input 'x': the shape has more than 32 dimensions"):
        read(wire.DT_FLOAT, json.loads("[" * 33 + "]" * 33))
    assert read(wire.DT_FLOAT, json.loads("[" * 32 + "1" + "]" * 32)).shape == (1,) * 32


@pytest.mark.parametrize(
    "dtype, name", [(wire.DT_COMPLEX64, "DT_COMPLEX64"), (DT_UINT32, "DT_UINT32")]
)
def test_a_dtype_that_json_does_not_have(spec_of, dtype, name):
    sentence = f"input 'x' is {name}, which JSON cannot represent"
    with pytest.raises(CodecError, match=sentence):
        read_tensor(spec_of("x", dtype), [1])
