"""ArrayProto bodies to numpy arrays and back, without a signature."""

from typing import Any, Dict, Mapping

import numpy as np

import eas_wire as wire
from eas_processor.hooks.dtypes import as_array, number_of, to_storage


def decode(body: Any) -> "Dict[str, np.ndarray[Any, Any]]":
    """
    Return the inputs of a `PredictRequest` by name; strings are arrays of `bytes` objects.

    Arrays may view `body`, and are then read-only. Raises `eas_wire.WireError`, which a service
    answers with 400.
    """
    return {name: tensor.array for name, tensor in wire.decode_request(body).inputs.items()}


def encode(outputs: Mapping[str, Any]) -> bytes:
    """
    Return a `PredictResponse` with these arrays, or what numpy makes arrays of.

    Raises TypeError for a dtype that has no place in it.
    """
    tensors = {}
    for name, value in outputs.items():
        array = as_array(value)
        number = number_of(array.dtype)
        tensors[name] = wire.Tensor(number, to_storage(number, array))
    return wire.encode_response(tensors)
