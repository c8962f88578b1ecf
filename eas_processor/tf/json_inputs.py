"""From nested lists to the tensor that a signature asks for; a refusal names the place."""

import base64
from itertools import chain
from typing import Any, Callable, Dict, FrozenSet, List, NamedTuple, Tuple

import numpy as np

from eas_processor import wire
from eas_processor.tf.dtypes import WIRE_DTYPES
from eas_processor.tf.errors import BadRequest
from eas_processor.tf.json_request import is_base64, show
from eas_processor.tf.signatures import TensorSpec, dtype_name
from eas_processor.wire.decode import MAX_RANK


class _BadValueError(ValueError):
    """The value at `index` of the flat list cannot be taken, said without its place."""

    def __init__(self, index: int, sentence: str) -> None:
        super().__init__(sentence)
        self.index = index


def read_tensor(spec: TensorSpec, value: Any) -> wire.Tensor:
    """Return `value` as a tensor with the dtype of `spec` and the shape that its lists have."""
    kind = _kind_of(spec)
    flat, shape = _flatten(spec.name, value)
    try:
        if not kind.types.issuperset(map(type, flat)):
            index = next(i for i, each in enumerate(flat) if type(each) not in kind.types)
            name = dtype_name(spec.dtype)
            raise _BadValueError(
                index, f"expected {kind.expected} for {name}, got {show(flat[index])}"
            )
        array = kind.read(spec.dtype, flat).reshape(shape)
    except _BadValueError as error:
        raise _refusal(spec.name, shape, error.index, str(error)) from None
    return wire.Tensor(spec.dtype, array)


def _refusal(name: str, shape: Tuple[int, ...], index: int, sentence: str) -> BadRequest:
    place = "".join(f"[{each}]" for each in np.unravel_index(index, shape))
    return BadRequest(f"input '{name}'{' at ' + place if place else ''}: {sentence}")


def _flatten(name: str, value: Any) -> Tuple[List[Any], Tuple[int, ...]]:
    """Return the values of nested lists in one, and the shape of the nest."""
    flat: List[Any] = [value]
    shape: Tuple[int, ...] = ()
    while flat and isinstance(flat[0], list):
        size = len(flat[0])
        for index, each in enumerate(flat):
            if not isinstance(each, list) or len(each) != size:
                raise _refusal(
                    name,
                    shape,
                    index,
                    f"expected a list of {size}, as the first of its kind is, got {show(each)}",
                )
        flat = list(chain.from_iterable(flat))
        shape += (size,)
        if len(shape) > MAX_RANK:
            raise BadRequest(f"input '{name}': the shape has more than {MAX_RANK} dimensions")
    return flat, shape


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
                index, f"the text {show(value)} has half a surrogate pair"
            ) from None
    if not is_base64(value):
        raise _BadValueError(index, 'expected text or {"b64": "..."}, got another object')
    try:
        return base64.b64decode(value["b64"], validate=True)
    except ValueError:
        raise _BadValueError(
            index,
            f"'b64': expected standard base64, with '+', '/' and padding, got {show(value['b64'])}",
        ) from None


class _Kind(NamedTuple):
    """What stands for values of some dtypes in JSON, and how it is read."""

    types: FrozenSet[type]
    expected: str
    read: Callable[[int, List[Any]], "np.ndarray[Any, Any]"]


_INTEGER = _Kind(frozenset([int]), "an integer", _read_integers)

# By the kind of numpy dtype that stores them.
_KINDS: Dict[str, _Kind] = {
    "f": _Kind(frozenset([int, float]), "a number", _read_floats),
    "i": _INTEGER,
    "u": _INTEGER,
    "b": _Kind(frozenset([bool]), "true or false", _read_bools),
    "O": _Kind(frozenset([str, dict]), 'text or {"b64": "..."}', _read_strings),
}


def _kind_of(spec: TensorSpec) -> _Kind:
    storage = wire.storage_dtype(spec.dtype).kind if spec.dtype in WIRE_DTYPES else ""
    if storage not in _KINDS:
        raise BadRequest(
            f"input '{spec.name}' is {dtype_name(spec.dtype)}, which a JSON request cannot carry"
        )
    return _KINDS[storage]
