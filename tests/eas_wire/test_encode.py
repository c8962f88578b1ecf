"""Arrays of callers are encoded, or refused with a reason."""

import numpy as np
import pytest

import eas_wire as wire
from eas_wire.schema import PredictResponse


def back(dtype, array):
    body = wire.encode_response({"y": wire.Tensor(dtype, array)})
    return wire.decode_response(body)["y"].array


WRITTEN = {
    "transposed": (wire.DT_FLOAT, np.arange(6, dtype="f4").reshape(2, 3).T),
    "every other": (wire.DT_INT64, np.arange(10)[::2]),
    "big-endian floats": (wire.DT_FLOAT, np.array([1.5, 2], ">f4")),
    "big-endian integers": (wire.DT_INT32, np.array([1, -2], ">i4")),
    "big-endian halves": (wire.DT_HALF, np.array([1.5], ">f2")),
    "a scalar": (wire.DT_DOUBLE, np.array(1.5)),
    "a scalar integer": (wire.DT_INT32, np.array(-1, "i4")),
    "empty": (wire.DT_FLOAT, np.empty((0, 10), "f4")),
    "empty integers": (wire.DT_INT32, np.empty((3, 0), "i4")),
    "empty strings": (wire.DT_STRING, np.empty(0, object)),
    "a narrower integer": (wire.DT_INT64, np.array([1, 2], "i4")),
    "a narrower float": (wire.DT_DOUBLE, np.array([1, 2], "f4")),
    "bfloat16 as float32": (wire.DT_BFLOAT16, np.array([1.5], "f4")),
    "larger than is copied": (wire.DT_FLOAT, np.arange(40000, dtype="f4").reshape(2, -1)),
    "larger than is copied, transposed": (wire.DT_COMPLEX64, np.ones((200, 100), "c8").T),
    "bytes of fixed length": (wire.DT_STRING, np.array([[b"a", b"bcd"]])),
}


@pytest.mark.parametrize("case", sorted(WRITTEN))
def test_writes(case):
    dtype, array = WRITTEN[case]
    got = back(dtype, array)
    assert got.dtype == wire.storage_dtype(dtype)
    assert got.shape == array.shape
    assert got.tolist() == array.tolist()


@pytest.mark.parametrize(
    "array", [np.array(["é", "b"]), np.array(["é", b"b"], object), np.array(["é", "b"], object)]
)
def test_writes_text_as_utf8(array):
    assert back(wire.DT_STRING, array).tolist() == ["é".encode("utf-8"), b"b"]


@pytest.mark.parametrize("number", sorted(wire.dtypes.LAYOUTS))
def test_every_dtype_comes_back_bit_for_bit(number):
    storage = wire.storage_dtype(number)
    if storage.kind == "O":
        array = np.array([b"", b"\0\xff\0"], object)
        assert back(number, array).tolist() == array.tolist()
        return
    if storage.kind in "iu":
        limits = np.iinfo(storage)
        array = np.array([limits.min, limits.max, 0, 1], storage)
    elif storage.kind == "b":
        array = np.array([True, False])
    else:
        limits = np.finfo(storage)
        array = np.array([limits.min, limits.max, limits.tiny, -0.0, np.inf, -np.inf, np.nan])
        array = array.astype(storage)
    assert back(number, array).tobytes() == array.tobytes()


def test_a_scalar_has_a_shape_without_dimensions():
    body = wire.encode_response({"y": wire.Tensor(wire.DT_FLOAT, np.array(1, "f4"))})
    message = PredictResponse.FromString(body).outputs["y"]
    assert message.HasField("array_shape")
    assert list(message.array_shape.dim) == []


REFUSED = {
    "a dtype without a number": (
        wire.DT_INT32,
        np.array([1], "u4"),
        "output 'y': DT_INT32 is written from int32, got uint32: cast it first",
    ),
    "a cast that loses digits": (
        wire.DT_FLOAT,
        np.array([0.1]),
        "output 'y': DT_FLOAT is written from float32, got float64: cast it first",
    ),
    "objects as numbers": (
        wire.DT_INT64,
        np.array([1], object),
        "output 'y': DT_INT64 is written from int64, got object: cast it first",
    ),
    "numbers as strings": (
        wire.DT_STRING,
        np.array([1]),
        "output 'y': DT_STRING is written from bytes or str, got an array of int64",
    ),
    "objects that are no strings": (
        wire.DT_STRING,
        np.array([b"a", None], object),
        "output 'y': DT_STRING is written from bytes or str, got NoneType",
    ),
    "text that is no text": (wire.DT_STRING, np.array(["\udc80"], object), "output 'y': "),
    "no dtype": (wire.DT_INVALID, np.array([1]), "output 'y': no dtype is set: expected one of "),
    "a dtype without values": (
        wire.DT_VARIANT,
        np.array([1]),
        "output 'y': DT_VARIANT has no values on the wire: expected one of ",
    ),
}


@pytest.mark.parametrize("case", sorted(REFUSED))
def test_refuses(case):
    dtype, array, message = REFUSED[case]
    with pytest.raises(wire.EncodeError) as refusal:
        wire.encode_response({"y": wire.Tensor(dtype, array)})
    assert message in str(refusal.value)
    assert refusal.value.code == "INTERNAL"


@pytest.mark.parametrize(
    "request_",
    [
        wire.Request("\udc80", {}, []),
        wire.Request("", {}, ["\udc80"]),
        wire.Request("", {"\udc80": wire.Tensor(wire.DT_BOOL, np.array([True]))}, []),
    ],
)
def test_refuses_names_that_are_no_text(request_):
    with pytest.raises(wire.EncodeError):
        wire.encode_request(request_)


def test_inputs_keep_their_order():
    tensor = wire.Tensor(wire.DT_BOOL, np.array([True]))
    names = ["b", "c", "a"]
    body = wire.encode_request(wire.Request("", dict.fromkeys(names, tensor), []))
    assert list(wire.decode_request(body).inputs) == names


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize(
    "outputs",
    [
        {"a": wire.Tensor(wire.DT_FLOAT, np.arange(12, dtype="f4").reshape(6, 2))},
        {
            "a": wire.Tensor(wire.DT_HALF, np.arange(6, dtype="f2")),
            "b": wire.Tensor(wire.DT_BOOL, np.arange(6) > 2),
        },
        {
            "a": wire.Tensor(wire.DT_DOUBLE, np.zeros((6, 0))),
            "b": wire.Tensor(wire.DT_INT64, np.arange(6) * 300),
        },
        {"s": wire.Tensor(wire.DT_STRING, np.array([b"a", b"bb", b"", b"c", b"dd", b"e"], object))},
        {"large": wire.Tensor(wire.DT_FLOAT, np.zeros((6, 9000), "f4"))},
        {},
    ],
)
def test_shares_are_written_as_if_each_was_alone(outputs, count):
    rows = 6 // count
    alone = [
        wire.encode_response(
            {
                name: wire.Tensor(tensor.dtype, tensor.array[each * rows : (each + 1) * rows])
                for name, tensor in outputs.items()
            }
        )
        for each in range(count)
    ]
    assert wire.encode_responses(outputs, count) == alone


def test_a_share_that_cannot_be_written_names_its_output():
    outputs = {"a": wire.Tensor(wire.DT_FLOAT, np.zeros((2, 1), "f8"))}
    with pytest.raises(wire.EncodeError, match="output 'a'"):
        wire.encode_responses(outputs, 2)
