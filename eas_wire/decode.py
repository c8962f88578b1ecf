"""
Decode the bytes of a request or response into arrays.

The decoder walks the body in place, and floats become views of it. So the cost does not grow with
their number. All sizes share one decoder, so a large request is as strictly checked as a small
one. A request that resembles an earlier one is not walked at all: see `outlines`.
The figures are in docs/decisions/reading-by-hand.md.
"""

from functools import lru_cache
from typing import Any, Dict, List, Sequence, Tuple, Union

import numpy as np

from eas_wire import dtypes, tags
from eas_wire.dtypes import VALUE_FIELDS, layout_of
from eas_wire.errors import (
    MalformedMessage,
    MisplacedValues,
    NameTooLong,
    ShapeMismatch,
    WireError,
)
from eas_wire.fields import (
    FIXED32,
    FIXED64,
    LENGTH,
    UNLIMITED,
    VARINT,
    Allowance,
    add_numbers,
    allowance,
    fields,
    tag_of,
)
from eas_wire.outlines import Outlines, Stack
from eas_wire.tensors import Request, Tensor
from eas_wire.text import LIMIT, cut
from eas_wire.values import unpack_values
from eas_wire.varints import read_varint, unpack_varints

# Repeated numbers are either packed, or sent as one field each with the wire type of their dtype.
_NUMBERS = {tag_of(field, LENGTH): field for field in VALUE_FIELDS}
del _NUMBERS[tags.STRING]
_NUMBERS.update(
    {
        tag_of(dtypes.FLOAT_VAL, FIXED32): dtypes.FLOAT_VAL,
        tag_of(dtypes.DOUBLE_VAL, FIXED64): dtypes.DOUBLE_VAL,
        tag_of(dtypes.INT_VAL, VARINT): dtypes.INT_VAL,
        tag_of(dtypes.INT64_VAL, VARINT): dtypes.INT64_VAL,
        tag_of(dtypes.BOOL_VAL, VARINT): dtypes.BOOL_VAL,
    }
)

MAX_RANK = 32  # the limit of numpy 1.x
_MAX_SHAPE_BYTES = MAX_RANK * 12  # each dimension in a field of its own, with ten bytes of content

MAX_NAME_BYTES = 4096
"""Longest name in a request. A name of 60 MB delayed concurrent requests by 0.4 s."""

_outlines = Outlines()

Body = Union[bytes, bytearray, memoryview]


def decode_request(data: Body) -> Request:
    """
    Decode a `PredictRequest`.

    Its arrays may be views of `data`, so `data` must not change while they are in use. Raises
    WireError, with a sentence for the client.
    """
    view = memoryview(data).cast("B")
    request = _outlines.recall(view)
    if request is None:
        request = _read_request(view)
        _outlines.learn(view, request)
    return request


def stack_requests(bodies: Sequence[Body], places: Sequence[int]) -> Tuple[List[Stack], List[int]]:
    """
    Decode together the requests that differ in their floats alone.

    Only `bodies[place]` for each of `places` is looked at. Returns one `Stack` for each group of
    two or more such requests, and the places of all other bodies, which are not decoded.
    """
    return _outlines.stacks(bodies, places)


def _read_request(view: memoryview) -> Request:
    request = Request("", {}, [])
    allowed = allowance()
    try:
        for tag, start, stop in fields(view, 0, len(view), allowed):
            if tag == tags.INPUTS:
                name, tensor = _read_entry("input", view, start, stop, allowed)
                request.inputs[name] = tensor
            elif tag == tags.SIGNATURE_NAME:
                request.signature_name = _text("signature", view, start, stop)
            elif tag == tags.OUTPUT_FILTER:
                request.output_filter.append(_text("output_filter", view, start, stop))
    except MalformedMessage as error:
        raise _not_a("PredictRequest", view, error) from None
    return request


def decode_response(data: Body) -> Dict[str, Tensor]:
    """
    Decode the outputs of a `PredictResponse`, by name.

    The arrays may be views of `data`. Raises WireError.
    """
    view = memoryview(data).cast("B")
    outputs = {}
    try:
        for tag, start, stop in fields(view, 0, len(view)):
            if tag == tags.OUTPUTS:
                name, tensor = _read_entry("output", view, start, stop, UNLIMITED)
                outputs[name] = tensor
    except MalformedMessage as error:
        raise _not_a("PredictResponse", view, error) from None
    return outputs


def _not_a(message: str, view: memoryview, error: MalformedMessage) -> MalformedMessage:
    return MalformedMessage(f"the body of {len(view)} bytes is not a {message}: {error}")


def _read_entry(
    role: str, view: memoryview, start: int, stop: int, allowed: Allowance
) -> Tuple[str, Tensor]:
    name = ""
    pieces = []
    for tag, begin, end in fields(view, start, stop, allowed):
        if tag == tags.KEY:
            name = _text(role, view, begin, end)
        elif tag == tags.VALUE:
            pieces.append((begin, end))
    try:
        return name, _read_tensor(view, pieces, allowed)
    except WireError as error:
        raise type(error)(f"{role} {cut(name)!r}: {error}") from None


def _read_tensor(view: memoryview, pieces: List[Tuple[int, int]], allowed: Allowance) -> Tensor:
    """Decode an `ArrayProto` from its pieces, which are merged as protobuf merges them."""
    dtype = dtypes.DT_INVALID
    shape = b""
    values: Dict[int, Any] = {}
    for begin, end in pieces:
        for tag, start, stop in fields(view, begin, end, allowed):
            if tag in _NUMBERS:
                if start < stop:
                    add_numbers(values, _NUMBERS[tag], view[start:stop])
            elif tag == tags.STRING:
                values.setdefault(dtypes.STRING_VAL, []).append(view[start:stop].tobytes())
            elif tag == tags.DTYPE:
                dtype = read_varint(view, start)[0]
            elif tag == tags.SHAPE:
                shape += view[start:stop]
                if len(shape) > _MAX_SHAPE_BYTES:
                    raise ShapeMismatch(f"the shape has more than {MAX_RANK} dimensions")
    return _assemble(dtype, shape, values)


def _assemble(dtype: int, shape: bytes, values: Dict[int, Any]) -> Tensor:
    layout = layout_of(dtype)
    raw = values.pop(layout.field, b"")
    if values:
        found = ", ".join(VALUE_FIELDS[field] for field in sorted(values))
        raise MisplacedValues(
            f"the values of {layout.name} go in {VALUE_FIELDS[layout.field]}, got {found}"
        )
    try:
        array = unpack_values(layout, raw)
    except MalformedMessage as error:
        raise MalformedMessage(f"{VALUE_FIELDS[layout.field]}: {error}") from None
    try:
        dims, count = _read_shape(shape)
    except MalformedMessage as error:
        raise MalformedMessage(f"array_shape: {error}") from None
    if not dims:
        # Clients omit the shape for scalars, and some omit it for vectors.
        return Tensor(dtype, array.reshape(()) if array.size == 1 else array)
    if array.size != count:
        needed = cut(str(count))
        raise ShapeMismatch(f"shape {_show(dims)} needs {needed} values, got {array.size}")
    return Tensor(dtype, _reshape(array, dims))


def _reshape(array: "np.ndarray[Any, Any]", dims: Tuple[int, ...]) -> "np.ndarray[Any, Any]":
    try:
        return array.reshape(dims)
    except ValueError:  # an empty array with a dimension that numpy cannot represent
        raise ShapeMismatch(f"shape {_show(dims)} is too large") from None


# A service sees few distinct shapes. The cache saves 2 µs an input.
@lru_cache(maxsize=1024)
def _read_shape(raw: bytes) -> Tuple[Tuple[int, ...], int]:
    """Return the dimensions of an `ArrayShape`, and their product."""
    view = memoryview(raw)
    dims: List[int] = []
    for tag, start, stop in fields(view, 0, len(view)):
        if tag in (tags.PACKED_DIM, tags.DIM):
            dims.extend(unpack_varints(view[start:stop]).tolist())
    count = 1
    for dim in dims:
        if dim < 0:
            raise ShapeMismatch(f"shape {_show(dims)} has a negative dimension")
        count *= dim
    if len(dims) > MAX_RANK:
        raise ShapeMismatch(f"the shape has more than {MAX_RANK} dimensions")
    return tuple(dims), count


def _show(dims: Sequence[int]) -> str:
    return cut(str(list(dims)))


def _text(role: str, view: memoryview, start: int, stop: int) -> str:
    if stop - start > MAX_NAME_BYTES and role != "output":
        beginning = str(view[start : start + LIMIT], "utf-8", "replace")
        raise NameTooLong(
            f"a name of {stop - start} bytes ({role}): expected {MAX_NAME_BYTES} bytes or fewer, "
            f"got {beginning + '...'!r}"
        )
    try:
        return str(view[start:stop], "utf-8")
    except UnicodeDecodeError:
        raise MalformedMessage(
            f"the name at byte {start} is not UTF-8: {bytes(view[start : min(stop, start + 40)])!r}"
        ) from None
