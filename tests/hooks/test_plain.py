"""ArrayProto bodies are converted to dicts of arrays, and back."""

import numpy as np
import pytest

import eas_wire as wire
from eas_processor.hooks import decode, encode


def test_decode_gives_the_inputs_by_name():
    inputs = {
        "x": wire.Tensor(wire.DT_INT64, np.array([[1, 2]], np.int64)),
        "s": wire.Tensor(wire.DT_STRING, np.array([b"a"], object)),
    }
    found = decode(wire.encode_request(wire.Request("any", inputs, [])))
    assert {name: each.tolist() for name, each in found.items()} == {"x": [[1, 2]], "s": [b"a"]}


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype=dtype).reshape(2, 3)
        for dtype in ("float16", "float32", "float64", "int8", "int64", "uint8", "complex64")
    ]
    + [np.array([True, False]), np.float32(1.5), np.arange(6).reshape(2, 3).T, np.zeros((0, 3))],
    ids=str,
)
def test_what_is_encoded_is_read_again(array):
    array = np.asarray(array)
    found = wire.decode_response(encode({"y": array}))["y"].array
    assert found.dtype == array.dtype and found.shape == array.shape
    assert found.tolist() == array.tolist()


@pytest.mark.parametrize(
    "given", [["é", "b"], [b"a\0", b"b"], np.array(["é", "b"]), [[b"a"], [b"b"]]]
)
def test_text_and_bytes_are_strings(given):
    found = wire.decode_response(encode({"y": given}))["y"]
    assert found.dtype == wire.DT_STRING
    assert found.array.ravel()[0] in ("é".encode("utf-8"), b"a", b"a\0")
    assert found.array.ravel()[1] == b"b"


@pytest.mark.parametrize("given", [np.zeros(1, "datetime64[s]"), [object()], [1, "a", None]])
def test_what_has_no_dtype_on_the_wire_is_refused(given):
    with pytest.raises(TypeError):
        encode({"y": given})
