"""Encode arrays as the bytes of a request or response, exactly as protobuf writes them."""

from functools import lru_cache
from typing import Dict, List, Tuple, Union

from eas_wire import dtypes, tags
from eas_wire.dtypes import layout_of
from eas_wire.errors import EncodeError, WireError
from eas_wire.fields import LENGTH, length_field, tag_of
from eas_wire.tensors import Request, Tensor, share
from eas_wire.text import cut
from eas_wire.values import pack_values
from eas_wire.varints import write_varint

Parts = List[Union[bytes, memoryview]]

# Fields whose values all take the same number of bytes.
_FIXED_SIZE = (dtypes.FLOAT_VAL, dtypes.DOUBLE_VAL, dtypes.BOOL_VAL)


def encode_request(request: Request) -> bytes:
    """Encode a `PredictRequest`, with its inputs in their order. Raises EncodeError."""
    parts: Parts = []
    if request.signature_name:
        parts.append(length_field(tags.SIGNATURE_NAME, _text(request.signature_name)))
    for name, tensor in request.inputs.items():
        _add_entry(parts, "input", tags.INPUTS, name, tensor)
    for name in request.output_filter:
        parts.append(length_field(tags.OUTPUT_FILTER, _text(name)))
    return b"".join(parts)


def encode_response(outputs: Dict[str, Tensor]) -> bytes:
    """Encode a `PredictResponse`, with its outputs in their order. Raises EncodeError."""
    parts: Parts = []
    for name, tensor in outputs.items():
        _add_entry(parts, "output", tags.OUTPUTS, name, tensor)
    return b"".join(parts)


def encode_responses(outputs: Dict[str, Tensor], count: int) -> List[bytes]:
    """
    Encode `count` responses, which share the rows of every output equally and in order.

    The first dimension of each output must be a multiple of `count`. Raises EncodeError.
    """
    columns = []
    for name, tensor in outputs.items():
        if layout_of(tensor.dtype).field not in _FIXED_SIZE:
            return [encode_response(share(outputs, count, each)) for each in range(count)]
        shape = (len(tensor.array) // count, *tensor.array.shape[1:])
        head, values, size = _encode("output", tags.OUTPUTS, name, tensor, shape, count)
        columns.append([head + values[each * size : (each + 1) * size] for each in range(count)])
    if len(columns) == 1:
        return columns[0]
    return [b"".join(entries) for entries in zip(*columns)] or [b""] * count


def _add_entry(parts: Parts, role: str, tag: int, name: str, tensor: Tensor) -> None:
    head, values, _ = _encode(role, tag, name, tensor, tensor.array.shape)
    parts.append(head)
    parts.append(values)


def _encode(
    role: str, tag: int, name: str, tensor: Tensor, shape: Tuple[int, ...], shares: int = 1
) -> Tuple[bytes, Union[bytes, memoryview], int]:
    """Return the bytes before the values of a share, all values, and the value bytes per share."""
    try:
        values = pack_values(layout_of(tensor.dtype), tensor.array)
        size = len(values) // shares
        return _head(tag, name, tensor.dtype, shape, size), values, size
    except (WireError, UnicodeEncodeError) as error:
        raise EncodeError(f"{role} {cut(name)!r}: {error}") from None


# A service sends few distinct combinations. The cache saves 5 µs an output.
@lru_cache(maxsize=1024)
def _head(tag: int, name: str, dtype: int, shape: Tuple[int, ...], size: int) -> bytes:
    """Return the bytes of a map entry that precede its `size` bytes of values."""
    dims = b"".join([write_varint(dim) for dim in shape])
    array = write_varint(tags.DTYPE) + write_varint(dtype)
    array += length_field(tags.SHAPE, length_field(tags.PACKED_DIM, dims) if dims else b"")
    field = layout_of(dtype).field
    if size and field != dtypes.STRING_VAL:
        array += write_varint(tag_of(field, LENGTH)) + write_varint(size)
    key = length_field(tags.KEY, _text(name))
    value = write_varint(tags.VALUE) + write_varint(len(array) + size) + array
    return write_varint(tag) + write_varint(len(key) + len(value) + size) + key + value


def _text(name: str) -> bytes:
    try:
        return name.encode("utf-8")
    except UnicodeEncodeError:
        raise EncodeError(f"the name {cut(name)!r} is not valid Unicode") from None
