import numpy as np
import pytest
from fixtures import need

need.module("tensorflow")

import eas_wire as wire
from eas_processor.tf.runtime import tf, v1

pytestmark = pytest.mark.medium

BITS = [0x0000, 0x8000, 0x3F80, 0xBF80, 0x0001, 0x7F7F, 0x7F80, 0xFF80]

VALUES = {
    "float32": [0.0, -0.0, 1.5, float("inf"), 1e-45],
    "float64": [0.0, -0.0, 1.5, float("-inf"), 5e-324],
    "int32": [0, -1, 2147483647, -2147483648],
    "uint8": [0, 1, 255],
    "int16": [0, -1, 32767, -32768],
    "int8": [0, -1, 127, -128],
    "complex64": [0j, 1.5 - 2.5j],
    "int64": [0, -1, 9223372036854775807, -9223372036854775808],
    "bool": [True, False],
    "qint8": [0, -1, 127, -128],
    "quint8": [0, 1, 255],
    "qint32": [0, -1, 2147483647, -2147483648],
    "qint16": [0, -1, 32767, -32768],
    "quint16": [0, 1, 65535],
    "uint16": [0, 1, 65535],
    "complex128": [0j, 1.5 - 2.5j],
    "float16": [0.0, -0.0, 1.5, 65504.0, 6e-08],
}


def array_of(dtype):
    if dtype == "string":
        return np.array([b"", b"a\0b\0", "é".encode(), b"\xff"], dtype=object)
    if dtype == "bfloat16":
        return (np.array(BITS, np.uint32) << 16).view(np.float32)
    number = getattr(tf, dtype).as_datatype_enum
    return np.array(VALUES[dtype]).astype(wire.storage_dtype(number))


@pytest.mark.parametrize("dtype", sorted(VALUES) + ["bfloat16", "string"])
@pytest.mark.parametrize("shape", [(-1,), (1, -1, 1), (0,), ()])
def test_every_dtype_comes_back_bit_for_bit(load, predict, dtype, shape):
    def identity():
        x = v1.placeholder(getattr(tf, dtype), None, name="x")
        return {"serving_default": ({"x": x}, {"y": tf.identity(x), "same": x})}

    values = array_of(dtype)
    array = values[-1:].reshape(()) if shape == () else values[: None if -1 in shape else 0]
    array = array.reshape(shape)
    number = getattr(tf, dtype).as_datatype_enum
    outputs = predict(load(identity), {"x": wire.Tensor(number, array)})
    for name in ("y", "same"):
        output = outputs[name]
        assert output.dtype == array.dtype
        assert output.shape == array.shape
        assert (
            output.tolist() == array.tolist()
            if dtype == "string"
            else (output.tobytes() == array.tobytes())
        )


def test_float32_is_rounded_to_bfloat16(load, predict):
    def identity():
        x = v1.placeholder(tf.bfloat16, [None], name="x")
        return {"serving_default": ({"x": x}, {"y": tf.identity(x)})}

    tensor = wire.Tensor(wire.DT_BFLOAT16, np.array([1.001, 3.14159], np.float32))
    y = predict(load(identity), {"x": tensor})["y"]
    assert np.allclose(y, [1.0, 3.14], rtol=2**-8)
    assert not (y.view(np.uint32) & 0xFFFF).any()
