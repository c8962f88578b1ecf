"""`TensorProto`s that protobuf's own classes wrote are decoded into arrays."""

import numpy as np
import pytest
from fixtures.serving_messages import new, tensor

import eas_wire as wire
from eas_wire.tensor_proto.layouts import DT_UINT32, DT_UINT64, LAYOUTS
from eas_wire.tensor_proto.tensors import NoTensor, read_tensor

CASES = [
    (wire.DT_FLOAT, "float_val", [1.5, -2.0, 3e38]),
    (wire.DT_DOUBLE, "double_val", [1.5, -2.0, 1e300]),
    (wire.DT_INT32, "int_val", [0, -1, 2**31 - 1]),
    (wire.DT_UINT8, "int_val", [0, 1, 255]),
    (wire.DT_INT16, "int_val", [0, -(2**15), 2**15 - 1]),
    (wire.DT_INT8, "int_val", [0, -128, 127]),
    (wire.DT_STRING, "string_val", [b"", b"a\x00", b"\xff"]),
    (wire.DT_INT64, "int64_val", [0, -(2**63), 2**63 - 1]),
    (wire.DT_BOOL, "bool_val", [True, False, True]),
    (wire.DT_QINT8, "int_val", [0, -128, 127]),
    (wire.DT_QUINT8, "int_val", [0, 1, 255]),
    (wire.DT_QINT32, "int_val", [0, -1, 2**31 - 1]),
    (wire.DT_QINT16, "int_val", [0, -1, 5]),
    (wire.DT_QUINT16, "int_val", [0, 1, 65535]),
    (wire.DT_UINT16, "int_val", [0, 1, 65535]),
    (DT_UINT32, "uint32_val", [0, 1, 2**32 - 1]),
    (DT_UINT64, "uint64_val", [0, 1, 2**64 - 1]),
]
PAIRS = [
    (wire.DT_COMPLEX64, "scomplex_val", [1.0, 2.0, -3.0, 4.0], [1 + 2j, -3 + 4j]),
    (wire.DT_COMPLEX128, "dcomplex_val", [1.0, 2.0, -3.0, 4.0], [1 + 2j, -3 + 4j]),
    (wire.DT_HALF, "half_val", [0x3C00, 0xC000], [1.0, -2.0]),
    (wire.DT_BFLOAT16, "half_val", [0x3F80, 0xC000], [1.0, -2.0]),
]


def read(message):
    content = message.SerializeToString()
    return read_tensor(memoryview(content), [(0, len(content))])


def refusal(message):
    with pytest.raises(NoTensor) as caught:
        read(message)
    return str(caught.value)


def shape_of(*sizes):
    return new("TensorShapeProto", dim=[new("Dim", size=size) for size in sizes])


@pytest.mark.parametrize("dtype, field, values", CASES)
def test_typed_fields(dtype, field, values):
    found = read(tensor(dtype, [3, 1], **{field: values}))
    assert (found.dtype, found.array.shape) == (dtype, (3, 1))
    assert found.array.dtype == LAYOUTS[dtype].storage
    assert found.array.ravel().tolist() == pytest.approx(values)


@pytest.mark.parametrize("dtype, field, sent, values", PAIRS)
def test_typed_fields_that_hold_something_else(dtype, field, sent, values):
    found = read(tensor(dtype, [2], **{field: sent}))
    assert found.array.tolist() == values
    assert found.array.dtype == LAYOUTS[dtype].storage


@pytest.mark.parametrize("dtype, field, values", CASES)
def test_tensor_content(dtype, field, values):
    if dtype == wire.DT_STRING:
        content = b"\x00\x02\x01a\x00\xff"
    else:
        content = np.array(values, LAYOUTS[dtype].storage).tobytes()
    found = read(tensor(dtype, [3], tensor_content=content))
    assert found.array.tolist() == pytest.approx(values)
    assert found.array.dtype == LAYOUTS[dtype].storage


def test_bfloat16_in_tensor_content():
    content = np.array([0x3F80, 0xC000], "<u2").tobytes()
    found = read(tensor(wire.DT_BFLOAT16, [2], tensor_content=content))
    assert found.array.tolist() == [1.0, -2.0]


def test_numbers_one_by_one():
    for dtype, field, values in [
        (wire.DT_FLOAT, "float_val", [1.5, 2.5]),
        (wire.DT_INT32, "int_val", [-1, 300]),
        (wire.DT_INT64, "int64_val", [-1, 2**40]),
    ]:
        message = new("Unpacked", dtype=dtype, tensor_shape=shape_of(2), **{field: values})
        assert read(message).array.tolist() == values


def test_a_short_list_repeats_its_last_value():
    assert read(tensor(wire.DT_FLOAT, [4], float_val=[1, 2])).array.tolist() == [1, 2, 2, 2]
    assert read(tensor(wire.DT_INT64, [3], int64_val=[7])).array.tolist() == [7, 7, 7]
    assert read(tensor(wire.DT_HALF, [2], half_val=[0x3C00])).array.tolist() == [1, 1]
    assert read(tensor(wire.DT_STRING, [3], string_val=[b"a", b"b"])).array.tolist() == [
        *(b"a", b"b", b"b")
    ]


def test_no_values_are_zeros():
    assert read(tensor(wire.DT_INT32, [2, 2])).array.tolist() == [[0, 0], [0, 0]]
    assert read(tensor(wire.DT_STRING, [2])).array.tolist() == [b"", b""]
    assert read(tensor(wire.DT_BOOL, [])).array.tolist() is False


def test_of_a_long_list_the_first_values_are_taken():
    assert read(tensor(wire.DT_FLOAT, [2], float_val=[1, 2, 3])).array.tolist() == [1, 2]
    assert read(tensor(wire.DT_INT32, [1], int_val=[5, 6])).array.tolist() == [5]


def test_numbers_that_are_too_large_wrap_around():
    assert read(tensor(wire.DT_UINT8, [2], int_val=[256, -1])).array.tolist() == [0, 255]


def test_shapes():
    assert read(tensor(wire.DT_FLOAT, [], float_val=[3])).array.shape == ()
    assert read(tensor(wire.DT_FLOAT, [0, 3])).array.shape == (0, 3)
    assert read(tensor(wire.DT_FLOAT, [1, 300, 1], float_val=[1])).array.shape == (1, 300, 1)


def test_floats_and_content_are_views_of_the_body():
    floats = tensor(wire.DT_FLOAT, [1000], float_val=[0.5] * 1000)
    ints = tensor(wire.DT_INT64, [1000], tensor_content=bytes(8000))
    for message in (floats, ints):
        body = bytearray(message.SerializeToString())
        found = read_tensor(memoryview(body), [(0, len(body))])
        assert np.shares_memory(found.array, np.frombuffer(body, np.uint8))


def test_a_tensor_in_pieces_is_merged():
    first = tensor(wire.DT_FLOAT, [2], float_val=[1]).SerializeToString()
    more = tensor(wire.DT_FLOAT, [1], float_val=[2]).SerializeToString()
    found = read_tensor(
        memoryview(first + more), [(0, len(first)), (len(first), len(first + more))]
    )
    assert found.array.tolist() == [[1], [2]]


def test_what_is_no_tensor():
    assert refusal(tensor(0, [1], float_val=[1])) == "no dtype is set"
    assert refusal(tensor(wire.DT_RESOURCE, [1])) == "DT_RESOURCE has no values"
    assert refusal(tensor(101, [1])) == "dtype 101 has no values"
    assert "negative dimension" in refusal(tensor(wire.DT_FLOAT, [-1], float_val=[1]))
    assert "more than 32 dimensions" in refusal(tensor(wire.DT_FLOAT, [1] * 33, float_val=[1]))
    unknown = new("TensorProto", dtype=1, tensor_shape=new("TensorShapeProto", unknown_rank=True))
    assert refusal(unknown) == "its rank is unknown"
    assert refusal(tensor(wire.DT_FLOAT, [2], tensor_content=b"1234")) == (
        "tensor_content has 4 bytes, expected 8"
    )
    assert refusal(tensor(wire.DT_FLOAT, [1], double_val=[1])) == (
        "the values of DT_FLOAT go in float_val, got double_val"
    )
    for content in (b"\x02a", b"\xff", b"\x05a"):
        assert "tensor_content" in refusal(tensor(wire.DT_STRING, [1], tensor_content=content))


def test_a_small_body_takes_no_large_memory():
    for size in (2**27, 2**40, 2**62):
        assert "are filled with" in refusal(tensor(wire.DT_FLOAT, [size], float_val=[1]))
    assert "are filled with" in refusal(tensor(wire.DT_STRING, [2**30]))
    assert "for 1073741824 strings" in refusal(
        tensor(wire.DT_STRING, [2**30], tensor_content=b"\x00")
    )
    assert "too large" in refusal(tensor(wire.DT_FLOAT, [0, 2**62, 2**62]))
