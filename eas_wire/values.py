"""Convert the values of one tensor between a flat array and a field of `ArrayProto`."""

from typing import Any, List, Union

import numpy as np

from eas_wire import dtypes, tags
from eas_wire.dtypes import Layout
from eas_wire.errors import EncodeError, MalformedMessage, ShapeMismatch, ValueOutOfRange
from eas_wire.fields import length_field
from eas_wire.varints import pack_varints, unpack_varints

# From this size on, copying the values costs more than the two calls that avoid the copy.
_VIEW_BYTES = 65536


def unpack_values(layout: Layout, raw: Any) -> "np.ndarray[Any, Any]":
    """
    Return the values in the content of a field, as a flat array of the storage dtype.

    `raw` is a buffer, or for strings a list of bytes. Raises WireError.
    """
    return _UNPACK[layout.field](layout, raw)


def _unpack_floats(layout: Layout, raw: Any) -> "np.ndarray[Any, Any]":
    try:
        array = np.frombuffer(raw, layout.packed)
    except ValueError:
        array = _no_floats(layout, raw)
    return array if layout.packed == layout.storage else _to_half(array)


def _no_floats(layout: Layout, raw: Any) -> "np.ndarray[Any, Any]":
    if not len(raw):  # numpy before 1.20 cannot view an empty buffer
        return np.empty(0, layout.packed)
    item = 4 if layout.field == dtypes.FLOAT_VAL else 8
    if len(raw) % item:
        raise MalformedMessage(f"{len(raw)} bytes are not a multiple of {item}")
    raise ShapeMismatch(f"{layout.name} takes pairs (re, im), got {len(raw) // item} values")


def _unpack_strings(_: Layout, raw: Any) -> "np.ndarray[Any, Any]":
    strings = np.empty(len(raw), object)
    strings[:] = raw
    return strings


def _unpack_int64s(_: Layout, raw: Any) -> "np.ndarray[Any, Any]":
    return unpack_varints(raw).astype(np.int64, copy=False)


def _unpack_bools(_: Layout, raw: Any) -> "np.ndarray[Any, Any]":
    return unpack_varints(raw).astype(np.bool_)


def _to_half(floats: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
    with np.errstate(over="ignore"):
        halves = floats.astype(np.float16)
    overflown = np.isinf(halves) & np.isfinite(floats)
    if overflown.any():
        raise ValueOutOfRange(f"DT_HALF cannot hold {floats[overflown][0]}")
    return halves


def _unpack_int32s(layout: Layout, raw: Any) -> "np.ndarray[Any, Any]":
    # Protobuf takes the low 32 bits of an int32's varint, and some clients rely on that.
    int32s = unpack_varints(raw).astype(np.int32)
    if layout.storage == int32s.dtype:
        return int32s
    narrow = int32s.astype(layout.storage)
    changed = narrow != int32s
    if changed.any():
        limits = np.iinfo(layout.storage)
        raise ValueOutOfRange(
            f"{layout.name} takes {limits.min} to {limits.max}, got {int32s[changed][0]}"
        )
    return narrow


_UNPACK = {
    dtypes.FLOAT_VAL: _unpack_floats,
    dtypes.DOUBLE_VAL: _unpack_floats,
    dtypes.INT_VAL: _unpack_int32s,
    dtypes.STRING_VAL: _unpack_strings,
    dtypes.INT64_VAL: _unpack_int64s,
    dtypes.BOOL_VAL: _unpack_bools,
}


def pack_values(layout: Layout, array: "np.ndarray[Any, Any]") -> Union[bytes, memoryview]:
    """
    Return the content of the field with these values, in row-major order.

    Strings become a field each, with tags and lengths. Raises EncodeError.
    """
    if layout.field == dtypes.STRING_VAL:
        return _pack_strings(array)
    if array.dtype != layout.storage and not np.can_cast(array.dtype, layout.storage, "safe"):
        raise EncodeError(
            f"{layout.name} is written from {layout.storage}, got {array.dtype}: cast it first"
        )
    if layout.field in (dtypes.INT_VAL, dtypes.INT64_VAL):
        return pack_varints(array)
    if array.dtype != layout.packed:
        array = array.astype(layout.packed)
    if array.nbytes < _VIEW_BYTES:
        return array.tobytes()
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def _pack_strings(array: "np.ndarray[Any, Any]") -> bytes:
    if array.dtype.kind not in "OSU":
        raise EncodeError(f"DT_STRING is written from bytes or str, got an array of {array.dtype}")
    items: List[Any] = array.ravel().tolist()
    return b"".join([length_field(tags.STRING, _as_bytes(item)) for item in items])


def _as_bytes(item: Any) -> bytes:
    if isinstance(item, bytes):
        return item
    if isinstance(item, str):
        return item.encode("utf-8")
    raise EncodeError(f"DT_STRING is written from bytes or str, got {type(item).__name__}")
