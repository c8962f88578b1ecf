"""The values of one tensor: a flat array on this side, the bytes of its field of `ArrayProto` on the other."""

from typing import Any, List, Union

import numpy as np

from eas_processor.wire import dtypes
from eas_processor.wire.dtypes import Layout
from eas_processor.wire.errors import EncodeError, MalformedMessage, ShapeMismatch, ValueOutOfRange
from eas_processor.wire.fields import LENGTH, length_field, tag_of
from eas_processor.wire.varints import pack_varints, unpack_varints

_STRING_TAG = tag_of(dtypes.STRING_VAL, LENGTH)
_HALF = dtypes.LAYOUTS[dtypes.DT_HALF].storage

# From here on a copy of the values costs more than the two extra calls that avoid it.
_VIEW_BYTES = 65536


def unpack_values(layout: Layout, raw: Any) -> "np.ndarray[Any, Any]":
    """The flat array of a field's content: a buffer, or for strings a list of bytes."""
    field = layout.field
    if field in (dtypes.FLOAT_VAL, dtypes.DOUBLE_VAL):
        return _unpack_floats(layout, raw)
    if field == dtypes.STRING_VAL:
        strings = np.empty(len(raw), object)
        strings[:] = raw
        return strings
    numbers = unpack_varints(raw)
    if field == dtypes.BOOL_VAL:
        return numbers != 0
    if field == dtypes.INT64_VAL:
        return numbers.astype(np.int64, copy=False)
    return _narrow(layout, numbers)


def _unpack_floats(layout: Layout, raw: Any) -> "np.ndarray[Any, Any]":
    if layout.storage == _HALF:
        return _to_half(_from_buffer(layout, raw, np.dtype("<f4")))
    return _from_buffer(layout, raw, layout.storage)


def _from_buffer(layout: Layout, raw: Any, dtype: "np.dtype[Any]") -> "np.ndarray[Any, Any]":
    try:
        return np.frombuffer(raw, dtype)
    except ValueError:
        pass
    item = 4 if layout.field == dtypes.FLOAT_VAL else 8
    if not len(raw):
        return np.empty(0, dtype)
    if len(raw) % item:
        raise MalformedMessage(
            f"{dtypes.VALUE_FIELDS[layout.field]} holds {len(raw)} bytes, which is not a multiple of {item}"
        )
    raise ShapeMismatch(f"{layout.name} takes pairs (re, im), got {len(raw) // item} values")


def _to_half(floats: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
    with np.errstate(over="ignore"):
        halves = floats.astype(_HALF)
    overflown = np.isinf(halves) & np.isfinite(floats)
    if overflown.any():
        raise ValueOutOfRange(f"DT_HALF cannot hold {floats[overflown][0]}")
    return halves


def _narrow(layout: Layout, numbers: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
    # Protobuf reads an int32 from the low 32 bits of what came, and some senders rely on it.
    int32s = numbers.astype(np.int32)
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


def pack_values(
    layout: Layout, array: "np.ndarray[Any, Any]"
) -> Union[bytes, memoryview]:
    """The content of a field, in row-major order; for strings, the fields themselves with their tags."""
    if layout.field == dtypes.STRING_VAL:
        return _pack_strings(array)
    if array.dtype != layout.storage and not np.can_cast(array.dtype, layout.storage, "safe"):
        raise EncodeError(
            f"{layout.name} is written from {layout.storage}, got an array of {array.dtype}: cast it first"
        )
    if layout.field in (dtypes.INT_VAL, dtypes.INT64_VAL):
        return pack_varints(array)
    wire = np.dtype("<f4") if layout.storage == _HALF else layout.storage
    if array.dtype != wire:
        array = array.astype(wire)
    if array.nbytes < _VIEW_BYTES:
        return array.tobytes()
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def _pack_strings(array: "np.ndarray[Any, Any]") -> bytes:
    if array.dtype.kind not in "OSU":
        raise EncodeError(f"DT_STRING is written from bytes or str, got an array of {array.dtype}")
    return b"".join([length_field(_STRING_TAG, _as_bytes(item)) for item in _flat_list(array)])


def _flat_list(array: "np.ndarray[Any, Any]") -> List[Any]:
    return array.ravel().tolist()


def _as_bytes(item: Any) -> bytes:
    if isinstance(item, bytes):
        return item
    if isinstance(item, str):
        return item.encode("utf-8")
    raise EncodeError(f"DT_STRING is written from bytes or str, got {type(item).__name__}")
