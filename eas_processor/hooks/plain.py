"""Convert ArrayProto bodies to numpy arrays and back, without a signature."""

from typing import Any, Dict, Mapping

import numpy as np

import eas_wire as wire
from eas_processor.hooks.dtypes import as_array, number_of, to_storage


def decode(body: Any) -> "Dict[str, np.ndarray[Any, Any]]":
    """
    Decode the inputs of a `PredictRequest`, by name.

    Strings become arrays of `bytes` objects. Other arrays may be read-only views of `body`. Raises
    `eas_wire.WireError`, which a service answers with 400.
    """
    return {name: tensor.array for name, tensor in wire.decode_request(body).inputs.items()}


def encode(outputs: Mapping[str, Any]) -> bytes:
    """
    Encode a `PredictResponse` with these arrays, or values that numpy can convert to arrays.

    Raises TypeError for a dtype that cannot be sent.
    """
    tensors = {}
    for name, value in outputs.items():
        array = as_array(value)
        number = number_of(array.dtype)
        tensors[name] = wire.Tensor(number, to_storage(number, array))
    return wire.encode_response(tensors)
