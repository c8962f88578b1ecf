"""From a dict of arrays to the tensors of a `PredictRequest`."""

from __future__ import annotations

from typing import Any, Mapping

import numpy as np

import eas_wire as wire
from eas_wire.tensor_proto.layouts import LAYOUTS, dtype_name

from . import _checks, _feed
from ._signature import Signature
from .exception import InvalidRequest

_NUMBERS = {dtype_name(number): number for number in LAYOUTS}

# Quantized numbers and bfloat16 are stored as others are, and come after these.
_BY_STORAGE: dict[np.dtype[Any], int] = {
    layout.storage: number
    for number, layout in reversed(list(LAYOUTS.items()))
    if number != wire.DT_BFLOAT16
}

_STRINGS = "OSU"


def tensors(signature: Signature | None, arrays: Mapping[str, Any]) -> dict[str, wire.Tensor]:
    """
    Return the tensors to send; raises `InvalidRequest`.

    Values become what the signature says of their input, where that loses no kind: integers feed
    DT_FLOAT. An input that it does not name, or all without a signature, are sent as what numpy
    makes of them, lists of Python's floats and integers as DT_FLOAT and DT_INT32 where they fit. No
    shape is checked, for the service takes more than a signature says.
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
    """Return the dtype for values that no signature describes; `is_typed` are those of numpy."""
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
        raise InvalidRequest(f"input {name!r}: no dtype of a TensorProto holds {array.dtype}")
    return found
