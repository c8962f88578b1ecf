"""Convert nested lists to the tensor that a signature declares; errors name the place."""

import base64
import struct
from itertools import chain
from typing import Any, Callable, Dict, FrozenSet, List, NamedTuple, Optional, Tuple

import numpy as np

import eas_wire as wire
from eas_processor.codecs.codec import Spec
from eas_processor.codecs.eas_json.request import is_base64, show
from eas_processor.codecs.eas_json.turns import SLICE, Pauses, slices
from eas_processor.codecs.errors import CodecError
from eas_wire import dtype_name
from eas_wire.decode import MAX_RANK
from eas_wire.dtypes import LAYOUTS

_LIST = {list}

# Characters of base64 that are decoded at once, in whole groups of four.
_BASE64_PIECE = 256 * 1024


class _BadValueError(ValueError):
    """The value at `index` of the flat list is refused; the message does not name the place."""

    def __init__(self, index: int, sentence: str) -> None:
        super().__init__(sentence)
        self.index = index


def read_tensor(spec: Spec, value: Any, has_booleans: bool = True) -> wire.Tensor:
    """
    Convert `value` to a tensor with the dtype of `spec` and the shape of its nested lists.

    `has_booleans` tells whether `value` may contain True or False; without them, numbers are
    converted faster. Raises CodecError.
    """
    kind = _kind_of(spec)
    flat, shape = _flatten(spec.name, value)
    typecode = "" if has_booleans else _TYPECODES.get(spec.dtype, "")
    try:
        array = _read_all(kind, spec.dtype, flat, typecode)
    except _BadValueError as error:
        raise _refusal(spec.name, shape, error.index, str(error)) from None
    return wire.Tensor(spec.dtype, array.reshape(shape))


def _read_all(kind: "_Kind", dtype: int, flat: List[Any], typecode: str) -> "np.ndarray[Any, Any]":
    if len(flat) <= SLICE:
        return _read_slice(kind, dtype, flat, typecode)
    array = np.empty(len(flat), wire.storage_dtype(dtype))
    start = 0
    for values in slices(flat):
        try:
            array[start : start + len(values)] = _read_slice(kind, dtype, values, typecode)
        except _BadValueError as error:
            raise _BadValueError(start + error.index, str(error)) from None
        start += len(values)
    return array


def _read_slice(
    kind: "_Kind", dtype: int, values: List[Any], typecode: str
) -> "np.ndarray[Any, Any]":
    array = _read_quickly(typecode, values) if typecode and values else None
    if array is not None:
        return array
    if not kind.types.issuperset(map(type, values)):
        index = next(i for i, each in enumerate(values) if type(each) not in kind.types)
        raise _BadValueError(
            index, f"expected {kind.expected} for {dtype_name(dtype)}, got {show(values[index])}"
        )
    return kind.read(dtype, values)


def _read_quickly(typecode: str, values: List[Any]) -> "Optional[np.ndarray[Any, Any]]":
    """Convert numbers to an array of this type; return None if a value is unfit or too large."""
    try:
        # `pack` accepts the same values as `read`, and booleans too, but there are none.
        array = np.frombuffer(struct.pack(f"{len(values)}{typecode}", *values), typecode)
    except struct.error:
        return None
    # A number that is too large for a float becomes infinity.
    return array if typecode not in "fd" or np.isfinite(array).all() else None


def _refusal(name: str, shape: Tuple[int, ...], index: int, sentence: str) -> CodecError:
    place = "".join(f"[{each}]" for each in np.unravel_index(index, shape))
    return CodecError(f"input '{name}'{' at ' + place if place else ''}: {sentence}")


def _flatten(name: str, value: Any) -> Tuple[List[Any], Tuple[int, ...]]:
    """Return the values of nested lists as one flat list, and the shape of the nested lists."""
    flat: List[Any] = [value]
    shape: Tuple[int, ...] = ()
    while flat and type(flat[0]) is list:
        size = len(flat[0])
        flat = _open_lists(name, flat, shape, size)
        shape += (size,)
        if len(shape) > MAX_RANK:
            raise CodecError(f"input '{name}': the shape has more than {MAX_RANK} dimensions")
    return flat, shape


def _open_lists(name: str, lists: List[Any], shape: Tuple[int, ...], size: int) -> List[Any]:
    """Concatenate `lists`, which must each have `size` elements."""
    if len(lists) == 1:
        only: List[Any] = lists[0]
        return only
    flat: List[Any] = []
    done = 0
    for group in slices(lists, max(1, SLICE // (size or 1))):
        if set(map(type, group)) != _LIST or set(map(len, group)) != {size}:
            index = next(i for i, each in enumerate(group) if not _is_list_of(each, size))
            raise _refusal(
                name,
                shape,
                done + index,
                f"expected a list of {size} like the first one, got {show(group[index])}",
            )
        if size > SLICE:
            for values in slices(group[0]):
                flat += values
        else:
            flat += chain.from_iterable(group)
        done += len(group)
    return flat


def _is_list_of(value: Any, size: int) -> bool:
    return type(value) is list and len(value) == size


def _read_floats(dtype: int, flat: List[Any]) -> "np.ndarray[Any, Any]":
    values = np.array(flat, np.float64)
    with np.errstate(over="ignore"):
        array = values.astype(wire.storage_dtype(dtype))
    overflown = np.isinf(array) & np.isfinite(values)
    if overflown.any():
        index = int(overflown.argmax())
        raise _BadValueError(index, f"{dtype_name(dtype)} cannot hold {show(flat[index])}")
    return array


def _read_integers(dtype: int, flat: List[Any]) -> "np.ndarray[Any, Any]":
    storage = wire.storage_dtype(dtype)
    limits = np.iinfo(storage)
    if flat and (min(flat) < limits.min or max(flat) > limits.max):
        index = next(i for i, each in enumerate(flat) if not limits.min <= each <= limits.max)
        raise _BadValueError(
            index, f"{dtype_name(dtype)} takes {limits.min} to {limits.max}, got {flat[index]}"
        )
    return np.array(flat, storage)


def _read_bools(_: int, flat: List[Any]) -> "np.ndarray[Any, Any]":
    return np.array(flat, np.bool_)


def _read_strings(_: int, flat: List[Any]) -> "np.ndarray[Any, Any]":
    strings = np.empty(len(flat), object)
    strings[:] = [_read_bytes(index, each) for index, each in enumerate(flat)]
    return strings


def _read_bytes(index: int, value: Any) -> bytes:
    if isinstance(value, str):
        try:
            return value.encode("utf-8")
        except UnicodeEncodeError:
            raise _BadValueError(
                index, f"the text {show(value)} has an unpaired surrogate"
            ) from None
    if not is_base64(value):
        raise _BadValueError(index, 'expected text or {"b64": "..."}, got another object')
    try:
        return from_base64(value["b64"])
    except ValueError:
        raise _BadValueError(
            index,
            f"'b64': expected standard base64, with '+', '/' and padding, got {show(value['b64'])}",
        ) from None


def from_base64(text: str) -> bytes:
    """Decode standard base64 with padding. Raises ValueError."""
    if len(text) <= _BASE64_PIECE:
        return base64.b64decode(text, validate=True)
    pause = Pauses()
    decoded = []
    for start in range(0, len(text), _BASE64_PIECE):
        piece = text[start : start + _BASE64_PIECE]
        if "=" in piece and start + _BASE64_PIECE < len(text):
            raise ValueError("padding before the end")
        decoded.append(base64.b64decode(piece, validate=True))
        pause()
    return b"".join(decoded)


class _Kind(NamedTuple):
    """The JSON types for values of some dtypes, their name in messages, and their conversion."""

    types: FrozenSet[type]
    expected: str
    read: Callable[[int, List[Any]], "np.ndarray[Any, Any]"]


_INTEGER = _Kind(frozenset([int]), "an integer", _read_integers)

# By the kind of the numpy dtype that stores the values.
_KINDS: Dict[str, _Kind] = {
    "f": _Kind(frozenset([int, float]), "a number", _read_floats),
    "i": _INTEGER,
    "u": _INTEGER,
    "b": _Kind(frozenset([bool]), "true or false", _read_bools),
    "O": _Kind(frozenset([str, dict]), 'text or {"b64": "..."}', _read_strings),
}


# Format characters of `struct`, which checks the types as it converts. The figures are in
# docs/decisions/json.md.
_TYPECODES = {
    number: layout.storage.char
    for number, layout in LAYOUTS.items()
    if layout.storage.isnative and layout.storage.char in "fdlihbHB"
}


def _kind_of(spec: Spec) -> _Kind:
    layout = LAYOUTS.get(spec.dtype)
    storage = "" if layout is None else layout.storage.kind
    if storage not in _KINDS:
        raise CodecError(
            f"input '{spec.name}' is {spec.dtype_name}, which JSON cannot represent: send a "
            "PredictRequest as application/octet-stream"
        )
    return _KINDS[storage]
