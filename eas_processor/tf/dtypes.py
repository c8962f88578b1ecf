"""
Convert arrays of the wire to TensorFlow's arrays and back, bit by bit.

Most dtypes have the same numpy dtype on both sides. DT_BFLOAT16 is float32 on the wire, and a numpy
dtype that TensorFlow registers in the graph. Quantized dtypes are plain integers on the wire.
TensorFlow takes these as structures with one field, and returns plain integers.
"""

from typing import Any, Callable, Dict

import numpy as np

import eas_wire as wire
from eas_processor.tf.runtime import tf

# The dtype numbers of the wire are the first numbers of TensorFlow's DataType.
WIRE_DTYPES = frozenset(range(wire.DT_FLOAT, wire.DT_HALF + 1))

# DT_UINT32 and DT_UINT64, which only some encodings support.
UNSIGNED = frozenset([22, 23])

_BFLOAT16 = tf.bfloat16.as_numpy_dtype

Converter = Callable[["np.ndarray[Any, Any]"], "np.ndarray[Any, Any]"]


def _as_bfloat16(array: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
    # This rounds to nearest even. It works on bits, because the casts of TensorFlow 2.3 and 2.4
    # turn subnormal numbers into 0.
    bits = np.ascontiguousarray(array, np.float32).view(np.uint32)
    rounded = (bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))) >> np.uint32(16)
    rounded = np.where(np.isnan(array), np.uint32(0x7FC0), rounded)
    converted: "np.ndarray[Any, Any]" = rounded.astype(np.uint16).reshape(array.shape)
    return converted.view(_BFLOAT16)


def _as_quantized(dtype: Any) -> Converter:
    structure = np.dtype(dtype.as_numpy_dtype)
    return lambda array: array.view(structure)


# The conversions of inputs, for dtypes whose arrays TensorFlow does not take directly.
TO_TENSORFLOW: Dict[int, Converter] = {
    wire.DT_BFLOAT16: _as_bfloat16,
    wire.DT_QINT8: _as_quantized(tf.qint8),
    wire.DT_QUINT8: _as_quantized(tf.quint8),
    wire.DT_QINT16: _as_quantized(tf.qint16),
    wire.DT_QUINT16: _as_quantized(tf.quint16),
    wire.DT_QINT32: _as_quantized(tf.qint32),
}


def from_tensorflow(dtype: int, value: Any) -> "np.ndarray[Any, Any]":
    """Convert an output of the graph to an array with the storage dtype of `dtype`."""
    if dtype == wire.DT_BFLOAT16:
        bits = np.asarray(value).view(np.uint16).astype(np.uint32) << np.uint32(16)
        return np.asarray(bits).view(np.float32)
    if dtype == wire.DT_STRING:
        # A scalar is a bytes object. Without `object`, numpy would drop its trailing NULs.
        return np.asarray(value, dtype=object)
    return np.asarray(value)
