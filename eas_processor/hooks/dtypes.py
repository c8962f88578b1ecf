"""Convert between numpy dtypes and the dtype numbers of the wire."""

from typing import Any

import numpy as np

import eas_wire as wire

_NUMBERS = {
    "float32": wire.DT_FLOAT,
    "float64": wire.DT_DOUBLE,
    "float16": wire.DT_HALF,
    "int8": wire.DT_INT8,
    "int16": wire.DT_INT16,
    "int32": wire.DT_INT32,
    "int64": wire.DT_INT64,
    "uint8": wire.DT_UINT8,
    "uint16": wire.DT_UINT16,
    "bool": wire.DT_BOOL,
    "complex64": wire.DT_COMPLEX64,
    "complex128": wire.DT_COMPLEX128,
}
# The kinds of numpy dtypes that are sent as strings: objects, bytes and text.
_STRINGS = "OSU"


def number_of(dtype: Any) -> int:
    """
    Return the wire number of a numpy dtype or of its name.

    `str`, `bytes` and `object` are DT_STRING. Raises TypeError for a dtype that cannot be sent.
    """
    try:
        known = np.dtype(dtype)
    except TypeError:
        raise TypeError(f"{dtype!r} is not a dtype: expected one such as 'float32'") from None
    if known.kind in _STRINGS:
        return wire.DT_STRING
    number = _NUMBERS.get(known.name)
    if number is None:
        raise TypeError(
            f"dtype {known.name} cannot be sent: expected 'bytes' or one of "
            f"{', '.join(sorted(_NUMBERS))}"
        )
    return number


def as_array(value: Any) -> "np.ndarray[Any, Any]":
    """Convert a value to an array; strings in lists become objects."""
    array = np.asarray(value)
    if array.dtype.kind in "SU" and not isinstance(value, np.ndarray):
        return np.asarray(value, object)  # numpy's own strings lose trailing zero bytes
    return array


def to_storage(number: int, array: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
    """
    Return an array of dtype `number` as contiguous memory, or strings as `bytes` objects.

    Text becomes UTF-8. Raises TypeError for an object that is neither text nor bytes.
    """
    if number != wire.DT_STRING:
        return np.ascontiguousarray(array).reshape(array.shape)
    strings = np.empty(array.size, object)
    strings[:] = [_bytes(each) for each in array.ravel().tolist()]
    return strings.reshape(array.shape)


def _bytes(value: Any) -> bytes:
    if isinstance(value, str):
        return value.encode("utf-8")
    if isinstance(value, bytes):
        return value
    raise TypeError(f"an array of strings holds {type(value).__name__}: expected str or bytes")
