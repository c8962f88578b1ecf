"""Every dtype passes through a graph in `PredictRequest`s of TensorFlow Serving."""

import pytest
from fixtures import need
from fixtures.serving_messages import new, parsed, predict_request, tensor

need.module("tensorflow")

from eas_processor.link.frames import ARRAY_PROTO, TENSOR_CONTENT, TENSOR_PROTO
from eas_processor.tf.errors import BadRequest
from eas_processor.tf.runtime import tf, v1

FIELDS = {
    "float32": ("float_val", [1.5, -2.0]),
    "float64": ("double_val", [1.5, 1e300]),
    "int32": ("int_val", [-1, 2**31 - 1]),
    "uint8": ("int_val", [0, 255]),
    "int16": ("int_val", [-(2**15), 7]),
    "int8": ("int_val", [-128, 127]),
    "string": ("string_val", [b"a\x00", b"\xff"]),
    "complex64": ("scomplex_val", [1.0, 2.0, 3.0, -4.0]),
    "int64": ("int64_val", [-(2**63), 2**63 - 1]),
    "bool": ("bool_val", [True, False]),
    "qint8": ("int_val", [-128, 127]),
    "quint8": ("int_val", [0, 255]),
    "qint32": ("int_val", [-1, 2**31 - 1]),
    "bfloat16": ("half_val", [0x3F80, 0xC000]),
    "uint16": ("int_val", [0, 65535]),
    "complex128": ("dcomplex_val", [1.0, 2.0, 3.0, -4.0]),
    "half": ("half_val", [0x3C00, 0x7BFF]),
    "uint32": ("uint32_val", [0, 2**32 - 1]),
    "uint64": ("uint64_val", [0, 2**64 - 1]),
}


def of_every_dtype():
    signatures = {}
    for name in FIELDS:
        x = v1.placeholder(getattr(tf, name), [None], name=name)
        signatures[name] = ({"x": x}, {"y": tf.identity(x)})
    return signatures


@pytest.mark.parametrize("codec", [TENSOR_PROTO, TENSOR_CONTENT])
def test_what_is_sent_comes_back(load, codec):
    from eas_processor.tf import hooks

    model = load(of_every_dtype, "")
    for name, (field, values) in FIELDS.items():
        dtype = getattr(tf, name).as_datatype_enum
        given = tensor(dtype, [2], **{field: values})
        body = predict_request(name, x=given).SerializeToString()
        answer = hooks.process(model, body, codec)
        assert hooks.batch_process(model, [body] * 2, [codec] * 2) == [answer] * 2
        (entry,) = parsed("PredictResponse", answer).outputs
        if codec == TENSOR_PROTO:
            assert entry.value == given, name
        else:
            assert entry.value.tensor_content, name
            again = new("InputsEntry", key="x", value=entry.value)
            request = predict_request(name)
            request.inputs.extend([again])
            assert hooks.process(model, request.SerializeToString(), codec) == answer, name


def test_only_this_encoding_has_unsigned_numbers(load):
    from eas_processor.tf import hooks

    model = load(of_every_dtype, "")
    with pytest.raises(BadRequest, match="DT_UINT32, which a response cannot carry"):
        hooks.process(model, b"\x0a\x06uint32", ARRAY_PROTO)
