"""Encode the results of `Classify` and `Regress`, with one entry for each example."""

import struct
from typing import Dict, List, Sequence

from eas_processor.codecs.example_results import classification_of, regression_of
from eas_wire import Tensor
from eas_wire.fields import FIXED32, LENGTH, length_field, tag_of

RESULT = tag_of(1, LENGTH)
_EACH = tag_of(1, LENGTH)
_LABEL = tag_of(1, LENGTH)
_SCORE = bytes([tag_of(2, FIXED32)])
_VALUE = bytes([tag_of(1, FIXED32)])
_FLOAT = struct.Struct("<f")


def write_classification(outputs: Dict[str, Tensor], count: int) -> bytes:
    """Encode a `ClassificationResult` with `count` examples. Raises CodecError."""
    labels, values = classification_of(outputs, count)
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
    """Encode a `RegressionResult` with `count` examples. Raises CodecError."""
    array = regression_of(outputs, count)
    return b"".join([length_field(_EACH, _number(_VALUE, value)) for value in array.tolist()])


def _number(tag: bytes, value: float) -> bytes:
    packed = _FLOAT.pack(value)
    # Proto3 omits zero, but not negative zero.
    return tag + packed if any(packed) else b""
