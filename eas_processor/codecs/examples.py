"""`tensorflow.Example` messages, written without TensorFlow."""

import struct
from typing import Any, Dict, List, NamedTuple

import numpy as np

from eas_wire.varints import write_varint


class Feature(NamedTuple):
    """Values of one kind: `bytes`, `float` or `int64`; "" for none at all."""

    kind: str
    values: List[Any]


def write_example(features: Dict[str, Feature]) -> bytes:
    """Return a serialized example; features are in the order of their names, as in TensorFlow's."""
    entries = b"".join(
        _field(
            1, _field(1, name.encode("utf-8", "surrogatepass")) + _field(2, _write(features[name]))
        )
        for name in sorted(features)
    )
    return _field(1, entries)


def _write(feature: Feature) -> bytes:
    if feature.kind == "bytes":
        return _field(1, b"".join(_field(1, each) for each in feature.values))
    if feature.kind == "float":
        return _field(2, _field(1, _floats(feature.values)))
    if feature.kind == "int64":
        return _field(
            3,
            _field(1, b"".join(write_varint(each & 0xFFFFFFFFFFFFFFFF) for each in feature.values)),
        )
    return b""


def _floats(values: List[float]) -> bytes:
    try:
        return struct.pack("<%df" % len(values), *values)
    except OverflowError:  # what is too large for a float is infinite, as in TensorFlow's
        with np.errstate(over="ignore"):
            return np.array(values, np.float64).astype("<f4").tobytes()


def _field(number: int, value: bytes) -> bytes:
    """Return a field of bytes: its tag, its length and itself."""
    return bytes([number << 3 | 2]) + write_varint(len(value)) + value
