"""Results of `Classify` and `Regress`: one for each example."""

import struct
from typing import Any, Dict, List, Sequence

from eas_processor.codecs.errors import CodecError
from eas_wire import Tensor
from eas_wire.fields import FIXED32, LENGTH, length_field, tag_of

RESULT = tag_of(1, LENGTH)
_EACH = tag_of(1, LENGTH)
_LABEL = tag_of(1, LENGTH)
_SCORE = bytes([tag_of(2, FIXED32)])
_VALUE = bytes([tag_of(1, FIXED32)])
_FLOAT = struct.Struct("<f")


def write_classification(outputs: Dict[str, Tensor], count: int) -> bytes:
    """Return a `ClassificationResult` of `count` examples. Raises CodecError."""
    classes, scores = outputs.get("classes"), outputs.get("scores")
    for name, tensor in outputs.items():
        check_rows(name, tensor.array, count, rank=2)
    if classes is not None and scores is not None and classes.array.shape != scores.array.shape:
        raise CodecError("Expected class and score tensors of the same shape")
    labels = [] if classes is None else classes.array.tolist()
    values = [] if scores is None else scores.array.tolist()
    rows = [
        _classes(labels[row] if labels else [], values[row] if values else [])
        for row in range(count)
    ]
    return b"".join([length_field(_EACH, row) for row in rows])


def _classes(labels: Sequence[bytes], scores: Sequence[float]) -> bytes:
    size = max(len(labels), len(scores))
    parts: List[bytes] = []
    for label, score in zip(labels or [b""] * size, scores or [0.0] * size):
        one = length_field(_LABEL, label) if label else b""
        parts.append(length_field(_EACH, one + _number(_SCORE, score)))
    return b"".join(parts)


def write_regression(outputs: Dict[str, Tensor], count: int) -> bytes:
    """Return a `RegressionResult` of `count` examples. Raises CodecError."""
    ((name, tensor),) = outputs.items()
    array = tensor.array
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    check_rows(name, array, count, rank=1)
    return b"".join([length_field(_EACH, _number(_VALUE, value)) for value in array.tolist()])


def _number(tag: bytes, value: float) -> bytes:
    packed = _FLOAT.pack(value)
    # Proto3 leaves out a zero, and a negative zero is none.
    return tag + packed if any(packed) else b""


def check_rows(name: str, array: Any, count: int, rank: int) -> None:
    """Raise CodecError unless `array` has one row for each of `count` examples."""
    if array.ndim != rank or len(array) != count:
        raise CodecError(
            "Expected output Tensor %s to have a shape of %s, got %s"
            % (name, [count, -1][:rank], list(array.shape))
        )
