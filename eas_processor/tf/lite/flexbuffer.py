"""
A FlexBuffer that is a map of strings to blobs, as far as the signatures of a model need it.

It is read from its end: the width of the root, the root's type, and the root itself. What a value
points to lies before it, as far away as it says. A map is two vectors of one length, keys and
values, and the byte for each value's type follows the values.
"""

import struct
from typing import Dict, Tuple

from eas_processor.tf.lite.flatbuffer import Malformed, number_at

_MAP = 9
_BYTES = (5, 25)
"""The types of a string and of a blob."""

_UNSIGNED = {struct.calcsize(code): struct.Struct(code) for code in ("<B", "<H", "<I", "<Q")}


def read_map(data: bytes) -> Dict[str, bytes]:
    """Return the blobs of a map by key; raise `Malformed`."""
    if len(data) < 3:
        raise Malformed(f"{len(data)} bytes are no FlexBuffer")
    width, packed = data[-1], data[-2]
    kind, size = _unpacked(packed)
    if kind != _MAP:
        raise Malformed(f"a FlexBuffer of type {kind} is no map")
    values = _follow(data, len(data) - 2 - width, width)
    count = _number(data, values - size, size)
    keys = _follow(data, values - 3 * size, size)
    keys_size = _number(data, values - 2 * size, size)
    if count > len(data):
        raise Malformed(f"a map of {count} keys does not fit into {len(data)} bytes")
    found = {}
    for each in range(count):
        key = _key(data, _follow(data, keys + each * keys_size, keys_size))
        type_of_value = _number(data, values + count * size + each, 1)
        found[key] = _blob(data, values + each * size, size, type_of_value)
    return found


def _unpacked(packed: int) -> Tuple[int, int]:
    """Return the type that a byte is of, and how many bytes each number of such a value has."""
    return packed >> 2, 1 << (packed & 3)


def _number(data: bytes, place: int, width: int) -> int:
    if width not in _UNSIGNED:
        raise Malformed(f"a FlexBuffer has no numbers of {width} bytes")
    return int(number_at(data, _UNSIGNED[width], place))


def _follow(data: bytes, place: int, width: int) -> int:
    """Return the place that the offset at `place` points to."""
    target = place - _number(data, place, width)
    if target < 0:
        raise Malformed("a FlexBuffer points to what is before it")
    return target


def _key(data: bytes, begin: int) -> str:
    end = data.find(b"\0", begin)
    if end < 0:
        raise Malformed("a key of a FlexBuffer has no end")
    return data[begin:end].decode("utf-8", "backslashreplace")


def _blob(data: bytes, place: int, width: int, packed: int) -> bytes:
    kind, size = _unpacked(packed)
    if kind not in _BYTES:
        raise Malformed(f"a value of type {kind} is no blob")
    begin = _follow(data, place, width)
    count = _number(data, begin - size, size)
    if begin + count > len(data):
        raise Malformed(f"a blob of {count} bytes does not fit into {len(data)} bytes")
    return data[begin : begin + count]
