"""Converts callers' values to tensors of the right type and shape."""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce
from operator import index, mul
from typing import Any, Iterable

import numpy as np

import eas_wire as wire

from .exception import InvalidRequest

# By kind of storage dtype (`numpy.dtype.kind`): the kinds of values it accepts, and their noun.
_TAKES = {
    "b": ("biu", "booleans"),
    "i": ("biu", "integers"),
    "u": ("biu", "integers"),
    "f": ("biuf", "numbers"),
    "c": ("biufc", "numbers"),
}

EMPTY_NAME = "the name of an input is empty; PredictClient.signature() returns the model's inputs"


def tensor(name: str, shape: Iterable[int], dtype: int, content: Any) -> wire.Tensor:
    """
    Convert `content` to the tensor for the input `name`, of `shape` and dtype number `dtype`.

    An array that is contiguous, in this machine's byte order and of the right type is not copied.
    Raises `InvalidRequest`, which names the input, what was expected and what came.
    """
    if not isinstance(name, str):
        raise InvalidRequest(f"the name of an input: expected a str, got {name!r}")
    if not name:
        raise InvalidRequest(EMPTY_NAME)
    if type(dtype) is not int:  # `index` accepts numpy's integers, but not text
        dtype = _number(name, dtype)
    try:
        storage = wire.storage_dtype(dtype)
    except wire.WireError as error:
        raise InvalidRequest(f"input {name!r}: {error}") from None
    dims = _dims(name, shape)
    if isinstance(content, Iterator):
        content = list(content)
    if storage.kind == "O":
        array = strings(name, content)
    else:
        array = numbers(name, dtype, storage, content)
    wanted = reduce(mul, dims, 1)  # `math.prod` came with Python 3.8
    if array.size != wanted:
        raise InvalidRequest(
            f"input {name!r}: shape {dims} needs {wanted} values, got {array.size}"
        )
    return wire.Tensor(dtype, array.reshape(dims))


def _number(name: str, dtype: Any) -> int:
    try:
        return int(index(dtype))
    except TypeError:
        raise InvalidRequest(
            f"input {name!r}: expected a dtype such as TFRequest.DT_FLOAT, got {dtype!r}"
        ) from None


def _dims(name: str, shape: Iterable[int]) -> list[int]:
    try:
        dims = [index(size) for size in shape]
    except TypeError:
        raise InvalidRequest(
            f"input {name!r}: expected a shape such as [1, 784], got {shape!r}"
        ) from None
    if any(size < 0 for size in dims):
        raise InvalidRequest(
            f"input {name!r}: shape {dims} has a negative size; give the actual sizes, even if the "
            "model's is -1"
        )
    return dims


def strings(name: str, content: Any) -> np.ndarray[Any, Any]:
    """Convert `content` to an array of str and bytes. Raises `InvalidRequest`."""
    # Numpy's string dtypes drop NUL bytes at the end of a value. Arrays of objects keep them.
    array = np.array(content, dtype=object)
    for value in array.flat:
        if not isinstance(value, (str, bytes)):
            raise InvalidRequest(
                f"input {name!r}: DT_STRING takes str or bytes, got {type(value).__name__}"
            )
    return array


def numbers(name: str, dtype: int, storage: np.dtype[Any], content: Any) -> np.ndarray[Any, Any]:
    """
    Convert `content` to an array of the dtype `storage`. Raises `InvalidRequest`.

    Integers may become floats, but not the reverse.
    """
    try:
        array = np.asarray(content)
    except (TypeError, ValueError) as error:
        raise InvalidRequest(f"input {name!r}: not an array of values: {error}") from error
    if array.dtype.name == "bfloat16":  # TensorFlow's dtype, which numpy does not cast implicitly
        array = array.astype(np.float32)
    kinds, noun = _TAKES[storage.kind]
    if array.size and array.dtype.kind not in kinds:
        got = array.dtype.name if array.dtype.kind != "O" else "objects or rows of unequal length"
        raise InvalidRequest(f"input {name!r}: {wire.dtype_name(dtype)} takes {noun}, got {got}")
    if array.size and storage.kind in "biu" and not np.can_cast(array.dtype, storage):
        lowest, highest = _range(storage)
        smallest, largest = int(array.min()), int(array.max())
        if smallest < lowest or largest > highest:
            wrong = smallest if smallest < lowest else largest
            raise InvalidRequest(
                f"input {name!r}: {wire.dtype_name(dtype)} takes {lowest} to {highest}, got {wrong}"
            )
    return np.ascontiguousarray(array, dtype=storage)


def _range(storage: np.dtype[Any]) -> tuple[int, int]:
    if storage.kind == "b":
        return 0, 1
    limits = np.iinfo(storage)
    return int(limits.min), int(limits.max)
