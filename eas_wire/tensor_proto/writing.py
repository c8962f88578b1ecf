"""Encode arrays as map entries of `TensorProto`s, exactly as protobuf writes them."""

from functools import lru_cache
from typing import Any, Dict, List, Tuple, Union

import numpy as np

from eas_wire.errors import UnsupportedDtype, ValueOutOfRange
from eas_wire.fields import LENGTH, VARINT, length_field, tag_of
from eas_wire.tensor_proto.layouts import (
    BOOL_VAL,
    CONTENT,
    DTYPE,
    FIXED_SIZES,
    HALF_VAL,
    LAYOUTS,
    SHAPE,
    STRING,
    STRING_VAL,
    Layout,
    dtype_name,
)
from eas_wire.tensors import Tensor, share
from eas_wire.text import cut
from eas_wire.varints import pack_varints, write_varint

# From this size on, copying the values costs more than the two calls that avoid the copy.
_VIEW_BYTES = 65536
_KEY = tag_of(1, LENGTH)
_VALUE = tag_of(2, LENGTH)
_DIM = tag_of(2, LENGTH)
_SIZE = tag_of(1, VARINT)

_Values = Union[bytes, memoryview]
Parts = List[_Values]


def add_tensor(parts: Parts, tag: int, name: str, tensor: Tensor, as_content: bool) -> None:
    """
    Append one map entry, in a field with this `tag`.

    The values go in `tensor_content` if `as_content`, else in the typed field. Raises WireError.
    """
    head, values, _ = _entry(tag, name, tensor, tensor.array.shape, as_content)
    parts.append(head)
    parts.append(values)


def write_tensors(tag: int, tensors: Dict[str, Tensor], as_content: bool) -> bytes:
    """Encode a map of tensors, in its order. Raises WireError."""
    parts: Parts = []
    for name, tensor in tensors.items():
        add_tensor(parts, tag, name, tensor, as_content)
    return b"".join(parts)


def write_shares(tag: int, tensors: Dict[str, Tensor], count: int, as_content: bool) -> List[bytes]:
    """
    Encode `count` maps, which share the rows of every tensor equally and in order.

    The first dimension of each tensor must be a multiple of `count`. Raises WireError.
    """
    columns = []
    for name, tensor in tensors.items():
        layout = _layout_of(name, tensor)
        if layout.field == STRING_VAL or not (as_content or layout.is_fixed):
            return [
                write_tensors(tag, share(tensors, count, each), as_content) for each in range(count)
            ]
        shape = (len(tensor.array) // count, *tensor.array.shape[1:])
        head, values, size = _entry(tag, name, tensor, shape, as_content, count)
        columns.append([head + values[each * size : (each + 1) * size] for each in range(count)])
    if len(columns) == 1:
        return columns[0]
    return [b"".join(entries) for entries in zip(*columns)] or [b""] * count


def _entry(
    tag: int, name: str, tensor: Tensor, shape: Tuple[int, ...], as_content: bool, shares: int = 1
) -> Tuple[bytes, _Values, int]:
    """Return the bytes before the values of a share, all values, and the value bytes per share."""
    layout = _layout_of(name, tensor)
    if layout.field == STRING_VAL:
        values: _Values = _write_strings(name, tensor.array, as_content)
        field = CONTENT if as_content else 0
    elif as_content:
        values, field = _bytes(_raw(layout, tensor.array)), CONTENT
    else:
        values, field = _field(layout, tensor.array), tag_of(layout.field, LENGTH)
    size = len(values) // shares
    return _head(tag, name, tensor.dtype, shape, field if size else 0, size), values, size


def _layout_of(name: str, tensor: Tensor) -> Layout:
    layout = LAYOUTS.get(tensor.dtype)
    if layout is None:
        raise UnsupportedDtype(
            "tensor '%s' is %s, which has no values to send" % (cut(name), dtype_name(tensor.dtype))
        )
    return layout


# A service sends few distinct combinations. The cache saves 8 µs an output.
@lru_cache(maxsize=1024)
def _head(tag: int, name: str, dtype: int, shape: Tuple[int, ...], field: int, size: int) -> bytes:
    """
    Return the bytes of a map entry that precede its `size` bytes of values.

    `field` is the tag of the values, or 0 if they include their own tags.
    """
    dims = b"".join(
        [length_field(_DIM, bytes([_SIZE]) + write_varint(dim) if dim else b"") for dim in shape]
    )
    tensor = bytes([DTYPE]) + write_varint(dtype) + length_field(SHAPE, dims)
    if field:
        tensor += write_varint(field) + write_varint(size)
    key = length_field(_KEY, name.encode("utf-8", "replace"))
    value = bytes([_VALUE]) + write_varint(len(tensor) + size) + tensor
    return write_varint(tag) + write_varint(len(key) + len(value) + size) + key + value


def _raw(layout: Layout, array: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
    """Convert the values to the dtype of `tensor_content`."""
    stored = array.astype(layout.storage, copy=False)
    if layout.raw == layout.storage:
        return stored
    if layout.field == BOOL_VAL:
        return stored.astype(layout.raw)
    bits: "np.ndarray[Any, Any]" = np.ascontiguousarray(stored).view(np.uint32) >> np.uint32(16)
    return bits.astype(layout.raw)


def _field(layout: Layout, array: "np.ndarray[Any, Any]") -> _Values:
    raw = _raw(layout, array)
    if layout.field == BOOL_VAL or layout.field in FIXED_SIZES:
        return _bytes(raw)
    if layout.field == HALF_VAL:
        raw = np.ascontiguousarray(raw).view(np.uint16)
    return pack_varints(raw)


def _bytes(array: "np.ndarray[Any, Any]") -> _Values:
    if array.nbytes < _VIEW_BYTES:
        return array.tobytes()
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def _write_strings(name: str, array: "np.ndarray[Any, Any]", as_content: bool) -> bytes:
    items = [_as_bytes(name, item) for item in array.ravel().tolist()]
    if not as_content:
        return b"".join([length_field(STRING, item) for item in items])
    return b"".join([write_varint(len(item)) for item in items] + items)


def _as_bytes(name: str, item: Any) -> bytes:
    if isinstance(item, bytes):
        return item
    if isinstance(item, str):
        return item.encode("utf-8")
    raise ValueOutOfRange("tensor '%s' is DT_STRING, got %s" % (cut(name), type(item).__name__))
