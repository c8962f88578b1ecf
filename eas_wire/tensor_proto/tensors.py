"""
Decode a `TensorProto` into an array, with the same result as TensorFlow.

The decoder walks the bytes in place. Floats and `tensor_content` become views of the bytes.
"""

from functools import lru_cache
from typing import Any, Dict, List, Sequence, Tuple, Union

import numpy as np

from eas_wire import dtypes
from eas_wire.errors import MalformedMessage, WireError
from eas_wire.fields import UNLIMITED, VARINT, Allowance, add_numbers, fields, tag_of
from eas_wire.tensor_proto.layouts import (
    BOOL_VAL,
    CONTENT,
    DTYPE,
    FIXED_SIZES,
    HALF_VAL,
    LAYOUTS,
    NUMBERS,
    SHAPE,
    STRING,
    STRING_VAL,
    VALUE_FIELDS,
    Layout,
    dtype_name,
)
from eas_wire.tensors import Tensor
from eas_wire.text import cut
from eas_wire.varints import read_varint, unpack_varints

MAX_FILLED_BYTES = 1 << 28
"""
Largest array, in bytes, of which a request may send only the first values.

Without this limit, a body of 30 bytes could claim all memory. TensorFlow itself shortens constants
of a graph in this way, and no known client sends more than a few megabytes so.
"""

_MAX_RANK = 32  # the limit of numpy 1.x
_MAX_SHAPE_BYTES = 4096
_DIM = tag_of(2, wire_type=2)
_UNKNOWN_RANK = tag_of(3, VARINT)
_SIZE = tag_of(1, VARINT)

_Raw = Union[memoryview, bytearray, List[bytes]]


class NoTensor(ValueError):
    """TensorFlow would refuse this `TensorProto`; the message is the reason."""


def read_tensor(
    view: memoryview, pieces: Sequence[Tuple[int, int]], allowed: Allowance = UNLIMITED
) -> Tensor:
    """
    Decode a `TensorProto` from its pieces, which are merged as protobuf merges them.

    Each piece is (start, stop) in `view`. Raises NoTensor, and `eas_wire.MalformedMessage` for
    bytes that are not protobuf.
    """
    dtype, shape, content, values = _scan(view, pieces, allowed)
    layout = LAYOUTS.get(dtype)
    if layout is None:
        raise NoTensor("no dtype is set" if not dtype else "%s has no values" % dtype_name(dtype))
    if len(shape) > _MAX_SHAPE_BYTES:
        raise NoTensor("the shape takes %d bytes" % len(shape))
    dims, count = _read_shape(shape)
    try:
        return Tensor(dtype, _flat(dtype, layout, content, values, count).reshape(dims))
    except ValueError as error:  # an empty array with a dimension that numpy cannot represent
        if isinstance(error, (NoTensor, WireError)):
            raise
        raise NoTensor("shape %s is too large" % cut(str(list(dims)))) from None


def _scan(
    view: memoryview, pieces: Sequence[Tuple[int, int]], allowed: Allowance
) -> Tuple[int, bytes, Any, Dict[int, Any]]:
    """Return the dtype, the shape, `tensor_content`, and the content of typed fields by number."""
    dtype = dtypes.DT_INVALID
    shape = b""
    content: Any = b""
    values: Dict[int, Any] = {}
    for begin, end in pieces:
        for tag, start, stop in fields(view, begin, end, allowed):
            if tag == DTYPE:
                dtype = read_varint(view, start)[0]
            elif tag == SHAPE:
                shape += view[start:stop]
            elif tag == CONTENT:
                content = view[start:stop]
            elif tag in NUMBERS:
                if start < stop:
                    add_numbers(values, NUMBERS[tag], view[start:stop])
            elif tag == STRING:
                values.setdefault(STRING_VAL, []).append(view[start:stop].tobytes())
    return dtype, shape, content, values


# A service sees few distinct shapes. The cache saves 3 µs an input.
@lru_cache(maxsize=1024)
def _read_shape(raw: bytes) -> Tuple[Tuple[int, ...], int]:
    """Return the dimensions of a `TensorShapeProto`, and their product."""
    view = memoryview(raw)
    dims: List[int] = []
    for tag, start, stop in fields(view, 0, len(view)):
        if tag == _DIM:
            size = 0
            for inner, at, _ in fields(view, start, stop):
                if inner == _SIZE:
                    size = read_varint(view, at)[0]
            dims.append(size - (1 << 64) if size >> 63 else size)
        elif tag == _UNKNOWN_RANK and read_varint(view, start)[0]:
            raise NoTensor("its rank is unknown")
    count = 1
    for dim in dims:
        if dim < 0:
            raise NoTensor("shape %s has a negative dimension" % cut(str(dims)))
        count *= dim
    if len(dims) > _MAX_RANK:
        raise NoTensor("the shape has more than %d dimensions" % _MAX_RANK)
    return tuple(dims), count


def _flat(
    dtype: int, layout: Layout, content: Any, values: Dict[int, _Raw], count: int
) -> "np.ndarray[Any, Any]":
    if not count:
        return np.empty(0, layout.storage)
    if len(content):
        if layout.field == STRING_VAL:
            return _strings(_split(content, count))
        return _from_content(layout, content, count)
    raw = values.get(layout.field)
    if raw is None and values:
        raise NoTensor(
            "the values of %s go in %s, got %s"
            % (
                dtype_name(dtype),
                VALUE_FIELDS[layout.field],
                ", ".join(VALUE_FIELDS[field] for field in sorted(values)),
            )
        )
    array = np.empty(0, layout.storage) if raw is None else _from_field(layout, raw)
    return array[:count] if len(array) >= count else _filled(layout, array, count)


def _from_content(layout: Layout, content: memoryview, count: int) -> "np.ndarray[Any, Any]":
    needed = count * layout.raw.itemsize
    if len(content) != needed:
        raise NoTensor(
            "tensor_content has %d bytes, expected %s" % (len(content), cut(str(needed)))
        )
    array = np.frombuffer(content, layout.raw)
    if array.dtype == layout.storage:
        return array
    return array.astype(layout.storage) if layout.field == BOOL_VAL else _widened(array)


def _from_field(layout: Layout, raw: Any) -> "np.ndarray[Any, Any]":
    """Return all values of a typed field."""
    if layout.field == STRING_VAL:
        return _strings(raw)
    if layout.field in FIXED_SIZES:
        size = FIXED_SIZES[layout.field]
        if len(raw) % size:
            name = VALUE_FIELDS[layout.field]
            raise MalformedMessage("%s: %d bytes are not a multiple of %d" % (name, len(raw), size))
        whole = len(raw) - len(raw) % layout.raw.itemsize
        return np.frombuffer(raw[:whole] if whole != len(raw) else raw, layout.raw)
    # `astype` always copies, because `unpack_varints` may return a view of the request.
    numbers = unpack_varints(raw)
    if layout.field == HALF_VAL:
        bits = numbers.astype(np.uint16)
        return bits.view(layout.storage) if layout.raw == layout.storage else _widened(bits)
    return numbers.astype(layout.storage)


def _widened(bits: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
    """Convert the bits of bfloat16 values to float32."""
    wide: "np.ndarray[Any, Any]" = bits.astype(np.uint32) << np.uint32(16)
    return wide.view(np.float32)


def _filled(layout: Layout, array: "np.ndarray[Any, Any]", count: int) -> "np.ndarray[Any, Any]":
    """Extend `array` to `count` values by repeating its last one, or zeros if it is empty."""
    if count * layout.storage.itemsize > MAX_FILLED_BYTES:
        raise NoTensor(
            "the shape needs %s values, got %d: at most %d bytes are filled with the last value"
            % (cut(str(count)), len(array), MAX_FILLED_BYTES)
        )
    full = np.empty(count, layout.storage)
    full[: len(array)] = array
    nothing: Any = b"" if layout.field == STRING_VAL else 0
    full[len(array) :] = array[-1] if len(array) else nothing
    return full


def _strings(items: Sequence[bytes]) -> "np.ndarray[Any, Any]":
    strings = np.empty(len(items), object)
    strings[:] = items
    return strings


def _split(content: memoryview, count: int) -> List[bytes]:
    """Return the strings in `tensor_content`, which has all lengths as varints, then all bytes."""
    if count > len(content):
        raise NoTensor("tensor_content has %d bytes for %d strings" % (len(content), count))
    pos = 0
    lengths = []
    try:
        for _ in range(count):
            length, pos = read_varint(content, pos)
            lengths.append(length)
    except IndexError:
        raise NoTensor("tensor_content is cut off in the lengths of its strings") from None
    if pos + sum(lengths) != len(content):
        raise NoTensor(
            "tensor_content has %d bytes, expected %s"
            % (len(content), cut(str(pos + sum(lengths))))
        )
    items = []
    for length in lengths:
        items.append(content[pos : pos + length].tobytes())
        pos += length
    return items
