"""What a decoded body consists of."""

from typing import Any, Dict, List

import numpy as np

from eas_wire.dtypes import dtype_name


class Tensor:
    """
    One array and the dtype it has on the wire.

    `array` has the dtype's storage dtype: bfloat16 as float32, quantized dtypes as plain integers,
    strings as an object array of bytes. A decoded array may view the body it came from: it is then
    read-only where the body is, and not aligned to its item size.
    """

    __slots__ = ("array", "dtype")

    def __init__(self, dtype: int, array: "np.ndarray[Any, Any]") -> None:
        self.dtype = dtype
        self.array = array

    def __repr__(self) -> str:
        return f"Tensor({dtype_name(self.dtype)}, {list(self.array.shape)})"


class Request:
    """The contents of a `PredictRequest`."""

    __slots__ = ("inputs", "output_filter", "signature_name")

    def __init__(
        self, signature_name: str, inputs: Dict[str, Tensor], output_filter: List[str]
    ) -> None:
        self.signature_name = signature_name
        self.inputs = inputs
        self.output_filter = output_filter

    def __repr__(self) -> str:
        return f"Request({self.signature_name!r}, {self.inputs!r}, {self.output_filter!r})"


def share(outputs: Dict[str, Tensor], count: int, each: int) -> Dict[str, Tensor]:
    """Return the rows of `outputs` that belong to number `each` of `count` equal shares."""
    shares = {}
    for name, tensor in outputs.items():
        rows = len(tensor.array) // count
        shares[name] = Tensor(tensor.dtype, tensor.array[each * rows : (each + 1) * rows])
    return shares
