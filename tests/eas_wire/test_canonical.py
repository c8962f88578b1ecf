"""Encoder and decoder agree with protobuf's own classes of the same schema."""

import contextlib

import numpy as np
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import eas_wire as wire
from eas_wire.dtypes import LAYOUTS
from eas_wire.schema import ArrayProto, PredictRequest, PredictResponse

FIELDS = {
    wire.DT_FLOAT: "float_val",
    wire.DT_HALF: "float_val",
    wire.DT_BFLOAT16: "float_val",
    wire.DT_COMPLEX64: "float_val",
    wire.DT_DOUBLE: "double_val",
    wire.DT_COMPLEX128: "double_val",
    wire.DT_INT8: "int_val",
    wire.DT_INT16: "int_val",
    wire.DT_INT32: "int_val",
    wire.DT_UINT8: "int_val",
    wire.DT_UINT16: "int_val",
    wire.DT_QINT8: "int_val",
    wire.DT_QINT16: "int_val",
    wire.DT_QINT32: "int_val",
    wire.DT_QUINT8: "int_val",
    wire.DT_QUINT16: "int_val",
    wire.DT_STRING: "string_val",
    wire.DT_INT64: "int64_val",
    wire.DT_BOOL: "bool_val",
}


def arrays(storage):
    shapes = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
    if storage.kind == "O":
        return hnp.arrays(object, shapes, elements=st.binary(max_size=200), fill=st.nothing())
    # Python floats, through which the canonical classes go, do not keep the bits of a NaN.
    elements = hnp.from_dtype(storage).filter(lambda value: value == value)
    return hnp.arrays(storage, shapes, elements=elements)


@st.composite
def tensors(draw):
    dtype = draw(st.sampled_from(sorted(FIELDS)))
    return wire.Tensor(dtype, draw(arrays(LAYOUTS[dtype].storage)))


NAMES = st.text(st.characters(blacklist_categories=["Cs"]), max_size=12)
REQUESTS = st.builds(
    wire.Request, NAMES, st.dictionaries(NAMES, tensors(), max_size=3), st.lists(NAMES, max_size=3)
)


def canonical_array(tensor):
    message = ArrayProto(dtype=tensor.dtype)
    message.array_shape.SetInParent()
    message.array_shape.dim.extend(tensor.array.shape)
    flat = tensor.array.ravel()
    if flat.dtype.kind == "c":
        flat = np.stack([flat.real, flat.imag], axis=-1).ravel()
    getattr(message, FIELDS[tensor.dtype]).extend(flat.tolist())
    return message


def canonical_request(request):
    message = PredictRequest(
        signature_name=request.signature_name, output_filter=request.output_filter
    )
    for name, tensor in request.inputs.items():
        message.inputs[name].CopyFrom(canonical_array(tensor))
    return message


def assert_same_tensors(got, expected):
    assert got.keys() == expected.keys()
    for name, tensor in expected.items():
        assert got[name].dtype == tensor.dtype
        assert got[name].array.dtype == tensor.array.dtype
        assert got[name].array.shape == tensor.array.shape
        assert got[name].array.tolist() == tensor.array.tolist()


def assert_same_request(got, expected):
    assert got.signature_name == expected.signature_name
    assert got.output_filter == expected.output_filter
    assert_same_tensors(got.inputs, expected.inputs)


def test_every_dtype_with_values_is_covered():
    assert sorted(FIELDS) == sorted(LAYOUTS)


@given(REQUESTS)
def test_reads_what_protobuf_writes(request_):
    body = canonical_request(request_).SerializeToString()
    for data in (body, bytearray(body), memoryview(body)):
        assert_same_request(wire.decode_request(data), request_)


@given(REQUESTS)
def test_writes_what_protobuf_reads(request_):
    assert PredictRequest.FromString(wire.encode_request(request_)) == canonical_request(request_)


@given(NAMES, NAMES, tensors(), st.lists(NAMES, max_size=3))
def test_writes_the_bytes_that_protobuf_writes(signature_name, name, tensor, output_filter):
    request = wire.Request(signature_name, {name: tensor}, output_filter)
    assert wire.encode_request(request) == canonical_request(request).SerializeToString()


@given(st.dictionaries(NAMES, tensors(), max_size=3))
def test_responses_agree_both_ways(outputs):
    message = PredictResponse()
    for name, tensor in outputs.items():
        message.outputs[name].CopyFrom(canonical_array(tensor))
    assert_same_tensors(wire.decode_response(message.SerializeToString()), outputs)
    assert PredictResponse.FromString(wire.encode_response(outputs)) == message


@given(REQUESTS, st.data())
def test_a_damaged_body_is_refused_or_means_the_same_to_protobuf(request_, data):
    body = bytearray(wire.encode_request(request_))
    for _ in range(data.draw(st.integers(0, 3))):
        if body:
            body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    del body[data.draw(st.integers(0, len(body))) :]
    try:
        got = wire.decode_request(body)
    except wire.WireError:
        return
    try:
        message = PredictRequest.FromString(bytes(body))
    except DecodeError:
        return
    assert got.signature_name == message.signature_name
    assert got.output_filter == message.output_filter
    assert got.inputs.keys() == message.inputs.keys()
    for name, tensor in got.inputs.items():
        expected = message.inputs[name]
        assert tensor.dtype == expected.dtype
        sent = np.array(getattr(expected, FIELDS[tensor.dtype]))
        if tensor.dtype == wire.DT_HALF:
            sent = sent.astype(np.float16)
        again = np.array(getattr(canonical_array(tensor), FIELDS[tensor.dtype]))
        np.testing.assert_array_equal(again, sent)


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(body):
    for decode in (wire.decode_request, wire.decode_response):
        with contextlib.suppress(wire.WireError):
            decode(body)
