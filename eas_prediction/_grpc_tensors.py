"""Converts a dict of arrays to the tensors of a `PredictRequest`."""

from __future__ import annotations

from typing import Any, Mapping

import numpy as np

import eas_wire as wire
from eas_wire.tensor_proto.layouts import LAYOUTS, dtype_name

from . import _checks, _feed
from ._signature import Signature
from .exception import InvalidRequest

_NUMBERS = {dtype_name(number): number for number in LAYOUTS}

# Quantized dtypes share the storage of plain ones, which take precedence. bfloat16 is left out.
_BY_STORAGE: dict[np.dtype[Any], int] = {
    layout.storage: number
    for number, layout in reversed(list(LAYOUTS.items()))
    if number != wire.DT_BFLOAT16
}

_STRINGS = "OSU"


def tensors(signature: Signature | None, arrays: Mapping[str, Any]) -> dict[str, wire.Tensor]:
    """
    Convert arrays by input name to tensors. Raises `InvalidRequest`.

    Values are converted to the dtypes of the signature: integers may become floats, but not the
    reverse. Inputs that the signature does not name, or all inputs without a signature, get the
    dtype of their numpy array; lists of Python floats become DT_FLOAT, and lists of integers
    DT_INT32 if they fit. Shapes are not checked, because a service accepts more than its signature
    says.
    """
    specs = {} if signature is None else signature.inputs
    return {
        _checks.name("input name", name): _tensor(
            name, values, _NUMBERS.get(specs[name].dtype) if name in specs else None
        )
        for name, values in arrays.items()
    }


def _tensor(name: str, values: Any, dtype: int | None) -> wire.Tensor:
    try:
        array = np.asarray(values)
    except (TypeError, ValueError) as error:
        raise InvalidRequest(f"input {name!r}: not an array of values: {error}") from error
    if dtype is None:
        dtype = _dtype_of(name, array, is_typed=hasattr(values, "dtype"))
    if dtype == wire.DT_STRING:
        return wire.Tensor(dtype, _feed.strings(name, values))
    numbers = _feed.numbers(name, dtype, LAYOUTS[dtype].storage, array)
    return wire.Tensor(dtype, numbers.reshape(array.shape))


def _dtype_of(name: str, array: np.ndarray[Any, Any], is_typed: bool) -> int:
    """Return the dtype number for values without a signature; `is_typed` for numpy arrays."""
    if array.dtype.name == "bfloat16":
        return wire.DT_BFLOAT16
    if array.dtype.kind in _STRINGS:
        return wire.DT_STRING
    if not is_typed and array.dtype == np.float64:
        return wire.DT_FLOAT
    if not is_typed and array.dtype.kind == "i" and np.array_equal(array.astype(np.int32), array):
        return wire.DT_INT32
    found = _BY_STORAGE.get(array.dtype.newbyteorder("="))
    if found is None:
        raise InvalidRequest(f"input {name!r}: a TensorProto has no dtype for {array.dtype}")
    return found
