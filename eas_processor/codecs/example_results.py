"""Check the outputs of classification and regression as TensorFlow Serving does."""

from typing import Any, Dict, List, Tuple

import eas_wire as wire
from eas_processor.codecs.errors import CodecError
from eas_wire import Tensor
from eas_wire.tensor_proto.layouts import dtype_name


def classification_of(outputs: Dict[str, Tensor], count: int) -> Tuple[List[Any], List[Any]]:
    """
    Return the labels and the scores of `count` examples, as nested lists.

    A list is empty if its output is absent. Raises CodecError unless `classes` are strings and
    `scores` are floats, both of shape [count, classes].
    """
    classes, scores = outputs.get("classes"), outputs.get("scores")
    for name, tensor, dtype in (
        ("classes", classes, wire.DT_STRING),
        ("scores", scores, wire.DT_FLOAT),
    ):
        if tensor is not None:
            _check_rows(name, tensor.array, count, rank=2)
            _check_dtype(name + " Tensor", tensor, dtype)
    if classes is not None and scores is not None and classes.array.shape != scores.array.shape:
        raise CodecError("Expected class and score tensors of the same shape")
    labels = [] if classes is None else classes.array.tolist()
    values = [] if scores is None else scores.array.tolist()
    return labels, values


def regression_of(outputs: Dict[str, Tensor], count: int) -> Any:
    """
    Return the only output as an array of shape [count].

    Raises CodecError unless it is floats of shape [count] or [count, 1].
    """
    ((name, tensor),) = outputs.items()
    array = tensor.array
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    _check_rows(name, array, count, rank=1)
    _check_dtype("output Tensor", tensor, wire.DT_FLOAT)
    return array


def _check_rows(name: str, array: Any, count: int, rank: int) -> None:
    if array.ndim != rank or len(array) != count:
        raise CodecError(
            "Expected output Tensor %s to have a shape of %s, got %s"
            % (name, [count, -1][:rank], list(array.shape))
        )


def _check_dtype(named: str, tensor: Tensor, dtype: int) -> None:
    # The signature may declare another dtype than the graph returns, so the array is checked.
    found = tensor.array.dtype
    if found != wire.storage_dtype(dtype):
        got = str(found) if tensor.dtype == dtype else dtype_name(tensor.dtype)
        raise CodecError("Expected %s of %s. Got: %s" % (named, wire.dtype_name(dtype), got))
