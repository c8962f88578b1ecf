"""Valid bodies of any client are decoded; invalid ones are refused with a reason."""

import struct

import numpy as np
import pytest

import eas_wire as wire
from eas_wire.fields import MAX_FIELDS

pytestmark = pytest.mark.medium

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
DIM = 1
DTYPE, SHAPE, FLOAT_VAL, DOUBLE_VAL, INT_VAL, STRING_VAL, INT64_VAL, BOOL_VAL = range(1, 9)


def varint(value):
    value &= (1 << 64) - 1
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def varints(*values):
    return b"".join(varint(value) for value in values)


def field(number, content, wire_type=LENGTH):
    size = varint(len(content)) if wire_type == LENGTH else b""
    return varint(number << 3 | wire_type) + size + content


def dtype(number):
    return field(DTYPE, varint(number), VARINT)


def shape(*dims):
    return field(SHAPE, field(DIM, varints(*dims)))


def floats(*values):
    return struct.pack(f"<{len(values)}f", *values)


def entry(array, name="images"):
    return field(1, name.encode()) + field(2, array)


def request(array):
    return field(2, entry(array))


def decode(array):
    return wire.decode_request(request(array)).inputs["images"].array


FLOAT = dtype(wire.DT_FLOAT)
INT8 = dtype(wire.DT_INT8)
INT32 = dtype(wire.DT_INT32)
INT64 = dtype(wire.DT_INT64)
BOOL = dtype(wire.DT_BOOL)
STRING = dtype(wire.DT_STRING)


READ = {
    "no shape and one value: a scalar": (FLOAT + field(FLOAT_VAL, floats(1)), 1.0),
    "no shape and several values: a vector": (FLOAT + field(FLOAT_VAL, floats(1, 2)), [1.0, 2.0]),
    "no shape and no value: an empty vector": (FLOAT, []),
    "an empty shape says no more than none": (
        FLOAT + shape() + field(FLOAT_VAL, floats(1, 2)),
        [1.0, 2.0],
    ),
    "an empty dimension": (FLOAT + shape(2, 0), [[], []]),
    "values in several packed chunks": (
        FLOAT + field(FLOAT_VAL, floats(1)) + field(FLOAT_VAL, b"") + field(FLOAT_VAL, floats(2)),
        [1.0, 2.0],
    ),
    "values one by one": (
        FLOAT
        + field(FLOAT_VAL, floats(1), FIXED32)
        + field(FLOAT_VAL, floats(2), FIXED32)
        + field(FLOAT_VAL, floats(3), FIXED32),
        [1.0, 2.0, 3.0],
    ),
    "doubles one by one": (
        dtype(wire.DT_DOUBLE) + field(DOUBLE_VAL, struct.pack("<d", 0.1), FIXED64),
        0.1,
    ),
    "integers packed and one by one": (
        INT32 + field(INT_VAL, varint(-1), VARINT) + field(INT_VAL, varints(300, 2)),
        [-1, 300, 2],
    ),
    "booleans one by one": (
        BOOL + field(BOOL_VAL, varint(1), VARINT) + field(BOOL_VAL, varint(0), VARINT),
        [True, False],
    ),
    "a boolean of several bytes": (BOOL + field(BOOL_VAL, varints(1 << 40, 0)), [True, False]),
    "an int32 as five bytes without sign": (INT32 + field(INT_VAL, varint(0xFFFFFFFF)), -1),
    "a shape in two pieces": (
        FLOAT + shape(1) + shape(2) + field(FLOAT_VAL, floats(1, 2)),
        [[1, 2]],
    ),
    "dimensions one by one": (
        FLOAT
        + field(SHAPE, field(DIM, varint(1), VARINT) + field(DIM, varint(2), VARINT))
        + field(FLOAT_VAL, floats(1, 2)),
        [[1, 2]],
    ),
    "the last dtype wins": (INT8 + FLOAT + field(FLOAT_VAL, floats(1)), 1.0),
    "values before the dtype": (field(INT64_VAL, varint(-(1 << 63))) + INT64, -(1 << 63)),
    "strings with NUL bytes": (
        STRING + shape(2) + field(STRING_VAL, b"\0a\0") + field(STRING_VAL, b""),
        [b"\0a\0", b""],
    ),
    "unknown fields": (
        field(15, b"new")
        + field(200, b"x", LENGTH)
        + field(16, varint(1 << 35), VARINT)
        + field(17, b"\0" * 8, FIXED64)
        + FLOAT
        + field(FLOAT_VAL, floats(1)),
        1.0,
    ),
    "an empty field of another dtype": (
        FLOAT + field(INT_VAL, b"") + field(FLOAT_VAL, floats(1)),
        1.0,
    ),
}


@pytest.mark.parametrize("case", sorted(READ))
def test_reads(case):
    array, expected = READ[case]
    got = decode(array)
    assert got.tolist() == expected
    assert got.shape == np.shape(expected)


REFUSED = {
    "too few values": (
        FLOAT + shape(1, 784) + field(FLOAT_VAL, floats(*range(783))),
        wire.ShapeMismatch,
        "input 'images': shape [1, 784] needs 784 values, got 783",
    ),
    "a scalar's shape with a dimension of none": (
        FLOAT + shape(0) + field(FLOAT_VAL, floats(1)),
        wire.ShapeMismatch,
        "input 'images': shape [0] needs 0 values, got 1",
    ),
    "a negative dimension": (
        FLOAT + shape(-1, 784) + field(FLOAT_VAL, floats(1)),
        wire.ShapeMismatch,
        "input 'images': shape [-1, 784] has a negative dimension",
    ),
    "dimensions whose product is beyond 64 bits": (
        FLOAT + shape(1 << 62, 1 << 62) + field(FLOAT_VAL, floats(1)),
        wire.ShapeMismatch,
        f"input 'images': shape [{1 << 62}, {1 << 62}] needs {1 << 124} values, got 1",
    ),
    "no values in dimensions that numpy cannot hold": (
        FLOAT + shape(0, 1 << 62, 1 << 62),
        wire.ShapeMismatch,
        f"input 'images': shape [0, {1 << 62}, {1 << 62}] is too large",
    ),
    "too many dimensions": (
        FLOAT + shape(*[1] * 33) + field(FLOAT_VAL, floats(1)),
        wire.ShapeMismatch,
        "input 'images': the shape has more than 32 dimensions",
    ),
    "a shape of many pieces": (
        FLOAT + shape(1) * 200 + field(FLOAT_VAL, floats(1)),
        wire.ShapeMismatch,
        "input 'images': the shape has more than 32 dimensions",
    ),
    "half a complex number": (
        dtype(wire.DT_COMPLEX64) + field(FLOAT_VAL, floats(1, 2, 3)),
        wire.ShapeMismatch,
        "input 'images': DT_COMPLEX64 takes pairs (re, im), got 3 values",
    ),
    "an integer that does not fit": (
        INT8 + field(INT_VAL, varints(1, 300)),
        wire.ValueOutOfRange,
        "input 'images': DT_INT8 takes -128 to 127, got 300",
    ),
    "a negative integer without sign": (
        dtype(wire.DT_UINT8) + field(INT_VAL, varint(-1)),
        wire.ValueOutOfRange,
        "input 'images': DT_UINT8 takes 0 to 255, got -1",
    ),
    "a float that no half can hold": (
        dtype(wire.DT_HALF) + field(FLOAT_VAL, floats(70000)),
        wire.ValueOutOfRange,
        "input 'images': DT_HALF cannot hold 70000.0",
    ),
    "values in the field of another dtype": (
        FLOAT + field(INT_VAL, varints(1, 2)),
        wire.MisplacedValues,
        "input 'images': the values of DT_FLOAT go in float_val, got int_val",
    ),
    "values in two fields": (
        INT64 + field(INT64_VAL, varint(1)) + field(STRING_VAL, b"") + field(DOUBLE_VAL, b"x"),
        wire.MisplacedValues,
        "input 'images': the values of DT_INT64 go in int64_val, got double_val, string_val",
    ),
    "no dtype": (
        field(FLOAT_VAL, floats(1)),
        wire.UnsupportedDtype,
        "input 'images': no dtype is set: expected one of DT_FLOAT, DT_DOUBLE, ",
    ),
    "a dtype without values": (
        dtype(wire.DT_RESOURCE),
        wire.UnsupportedDtype,
        "input 'images': DT_RESOURCE has no values on the wire: expected one of DT_FLOAT, ",
    ),
    "an unknown dtype": (
        dtype(99),
        wire.UnsupportedDtype,
        "input 'images': dtype 99 has no values on the wire: expected one of DT_FLOAT, ",
    ),
    "part of a float": (
        FLOAT + field(FLOAT_VAL, b"\0" * 7),
        wire.MalformedMessage,
        "input 'images': float_val: 7 bytes are not a multiple of 4",
    ),
    "part of a number": (
        INT32 + field(INT_VAL, b"\1\x80"),
        wire.MalformedMessage,
        "input 'images': int_val: the last number is cut off",
    ),
    "a number without end": (
        INT64 + field(INT64_VAL, b"\x80" * 10 + b"\1"),
        wire.MalformedMessage,
        "input 'images': int64_val: a number is longer than 10 bytes",
    ),
    "part of a dimension": (
        FLOAT + field(SHAPE, field(DIM, b"\x80")) + field(FLOAT_VAL, floats(1)),
        wire.MalformedMessage,
        "input 'images': array_shape: the last number is cut off",
    ),
}


@pytest.mark.parametrize("case", sorted(REFUSED))
def test_refuses(case):
    array, error, message = REFUSED[case]
    with pytest.raises(error) as refusal:
        decode(array)
    assert message in str(refusal.value)
    assert refusal.value.code == "INVALID_ARGUMENT"


MALFORMED = {
    "not protobuf": (b'{"instances": []}', "the body of 17 bytes is not a PredictRequest: "),
    "cut off in a tag": (b"\x92", "it is cut off in the field at byte 0"),
    "cut off in a length": (b"\x12", "it is cut off in the field at byte 0"),
    "cut off in the values": (
        request(FLOAT + field(FLOAT_VAL, floats(1, 2)))[:-3],
        "field 2 at byte 0 needs 3 bytes more than there are",
    ),
    "a tensor longer than its entry": (
        field(2, field(1, b"images") + b"\x12\x05\x08"),
        "field 2 at byte 10 needs 4 bytes more than there are",
    ),
    "a field numbered 0": (b"\2\0", "byte 0 begins a field numbered 0"),
    "a group": (b"\x0b\x0c", "byte 0 begins no field of a proto3 message"),
    "a name that is not UTF-8": (
        field(1, b"\xff"),
        "the name at byte 2 is not UTF-8: b'\\xff'",
    ),
}


@pytest.mark.parametrize("case", sorted(MALFORMED))
def test_refuses_what_is_not_a_request(case):
    body, message = MALFORMED[case]
    with pytest.raises(wire.MalformedMessage) as refusal:
        wire.decode_request(body)
    assert message in str(refusal.value)
    assert str(refusal.value).startswith(f"the body of {len(body)} bytes is not a PredictRequest: ")


def test_the_empty_body_is_the_empty_request():
    got = wire.decode_request(b"")
    assert (got.signature_name, got.inputs, got.output_filter) == ("", {}, [])


def test_the_last_input_of_a_name_wins():
    first = entry(FLOAT + field(FLOAT_VAL, floats(1)))
    last = entry(INT32 + field(INT_VAL, varint(2)))
    got = wire.decode_request(field(2, first) + field(2, last))
    assert [(name, tensor.array.tolist()) for name, tensor in got.inputs.items()] == [("images", 2)]


def test_an_input_in_two_pieces_is_merged():
    pieces = field(2, FLOAT + shape(2)) + field(2, field(FLOAT_VAL, floats(1, 2)))
    got = wire.decode_request(field(2, pieces + field(1, b"late")))
    assert got.inputs["late"].array.tolist() == [1.0, 2.0]


def test_floats_are_views_of_the_body():
    body = bytearray(request(FLOAT + field(FLOAT_VAL, floats(1, 2))))
    array = wire.decode_request(body).inputs["images"].array
    body[-4:] = floats(5)
    assert array.tolist() == [1.0, 5.0]


def test_a_refused_output_is_called_one():
    with pytest.raises(wire.UnsupportedDtype, match="output 'images': no dtype is set"):
        wire.decode_response(field(1, entry(b"")))
    with pytest.raises(wire.MalformedMessage, match="of 1 bytes is not a PredictResponse"):
        wire.decode_response(b"\x0a")


# Bodies of very many fields, which take ten times as long where each line is counted


@pytest.mark.no_cover
@pytest.mark.parametrize("tiny", [field(3, b"\1", VARINT), field(4, b"\0", VARINT)])
def test_a_body_of_tiny_fields_is_not_walked_to_its_end(tiny):
    with pytest.raises(wire.MalformedMessage, match="more than 2097152 fields by byte 4194304"):
        wire.decode_request(tiny * (MAX_FIELDS + 1))


@pytest.mark.no_cover
def test_the_fields_of_all_tensors_count_together():
    value = dtype(10) + field(BOOL_VAL, b"\1", VARINT) * 1000000
    entry = field(2, field(1, b"a") + field(2, value))
    assert wire.decode_request(entry).inputs["a"].array.size == 1000000
    with pytest.raises(wire.MalformedMessage, match=r"input 'a': .*fields"):
        wire.decode_request(entry * 3)


LONG = "\x01" * 1_000_000


@pytest.mark.parametrize(
    "body",
    [
        field(2, field(1, LONG.encode()) + field(2, dtype(99))),
        field(2, field(1, LONG.encode()) + field(2, dtype(1) + field(SHAPE, b"\xff"))),
        field(2, field(2, dtype(1) + shape(*[1 << 62] * 32))),
        field(2, field(2, dtype(1) + shape(*[-1] * 30))),
        field(2, field(2, dtype(1) + shape(*[1] * 300 + [-1]))),
        field(2, field(2, dtype(1) + shape(*[1 << 62] * 31 + [0]))),
        field(1, b"\xff" * 1_000_000),
    ],
    ids=["dtype", "cut off", "count", "negative", "rank", "too large", "not UTF-8"],
)
def test_a_refusal_does_not_repeat_what_it_refuses(body):
    with pytest.raises(wire.WireError) as refused:
        wire.decode_request(body)
    assert 20 < len(str(refused.value)) < 800


@pytest.mark.parametrize(
    "role, of",
    [
        ("signature", lambda name: field(1, name)),
        ("input", lambda name: field(2, field(1, name) + field(2, FLOAT + field(FLOAT_VAL, b"")))),
        ("output_filter", lambda name: field(3, name)),
    ],
)
def test_a_long_name_is_refused_before_it_is_read(role, of):
    wire.decode_request(of(b"n" * 4096))
    with pytest.raises(wire.NameTooLong) as refused:
        wire.decode_request(of(b"n" * 4097))
    expected = f"a name of 4097 bytes ({role}): expected 4096 bytes or fewer, got '{'n' * 80}...'"
    assert str(refused.value) == expected
    assert refused.value.code == "INVALID_ARGUMENT"


def test_a_long_name_of_any_bytes_is_refused():
    with pytest.raises(wire.NameTooLong):
        wire.decode_request(field(1, b"\xff" * 5000))


def test_the_names_of_an_answer_are_not_limited():
    name = "n" * 5000
    body = wire.encode_response({name: wire.Tensor(wire.DT_FLOAT, np.ones(2, np.float32))})
    assert list(wire.decode_response(body)) == [name]


def test_an_answer_that_cannot_be_written_does_not_repeat_its_name():
    bad = wire.Tensor(wire.DT_FLOAT, np.ones(2))
    for name in (LONG, LONG + "\ud800"):
        with pytest.raises(wire.EncodeError) as refused:
            wire.encode_response({name: bad})
        assert "\\x01..." in str(refused.value)
        assert len(str(refused.value)) < 1000
