"""The contents of a decoded body: tensors and requests."""

from typing import Any, Dict, List

import numpy as np

from eas_wire.dtypes import dtype_name


class Tensor:
    """
    One array and its dtype number on the wire.

    `array` has the storage dtype: float32 for bfloat16, plain integers for quantized dtypes, and
    objects of type bytes for strings. A decoded array may be a view of its body. Such an array is
    not aligned to its item size, and it is read-only if the body is.
    """

    __slots__ = ("array", "dtype")

    def __init__(self, dtype: int, array: "np.ndarray[Any, Any]") -> None:
        self.dtype = dtype
        self.array = array

    def __repr__(self) -> str:
        return f"Tensor({dtype_name(self.dtype)}, {list(self.array.shape)})"


class Request:
    """The contents of a `PredictRequest`; `inputs` are tensors by name."""

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
    """Return share number `each` when the rows of `outputs` are cut into `count` equal shares."""
    shares = {}
    for name, tensor in outputs.items():
        rows = len(tensor.array) // count
        shares[name] = Tensor(tensor.dtype, tensor.array[each * rows : (each + 1) * rows])
    return shares
