"""Encode `tensorflow.Example` messages without TensorFlow."""

import struct
from typing import Any, Dict, List, NamedTuple

import numpy as np

from eas_wire.varints import write_varint


class Feature(NamedTuple):
    """A list of values, and their kind: `bytes`, `float`, `int64`, or "" for an empty feature."""

    kind: str
    values: List[Any]


def write_example(features: Dict[str, Feature]) -> bytes:
    """Return a serialized example, with its features sorted by name as TensorFlow sorts them."""
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
    except OverflowError:  # as in TensorFlow, a value too large for a float becomes infinity
        with np.errstate(over="ignore"):
            return np.array(values, np.float64).astype("<f4").tobytes()


def _field(number: int, value: bytes) -> bytes:
    """Return a field of wire type LENGTH: tag, length and value."""
    return bytes([number << 3 | 2]) + write_varint(len(value)) + value
