"""
Read a FlexBuffer that is a map of strings to blobs, as the signatures of a model are stored.

A FlexBuffer is read from its end: the width of the root, the type of the root, and the root itself.
A reference is the distance back to its target. A map has two vectors of the same length, keys and
values. One byte with the type of each value follows the values.
"""

import struct
from typing import Dict, Tuple

from eas_processor.tf.lite.flatbuffer import Malformed, number_at

_MAP = 9
_BYTES = (5, 25)
"""The types of a string and of a blob."""

_UNSIGNED = {struct.calcsize(code): struct.Struct(code) for code in ("<B", "<H", "<I", "<Q")}


def read_map(data: bytes) -> Dict[str, bytes]:
    """Return the blobs of a map by key. Raises Malformed."""
    if len(data) < 3:
        raise Malformed(f"{len(data)} bytes are not a FlexBuffer")
    width, packed = data[-1], data[-2]
    kind, size = _unpacked(packed)
    if kind != _MAP:
        raise Malformed(f"a FlexBuffer has type {kind}, expected a map")
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
    """Return the type in a byte, and the width in bytes of the numbers of such a value."""
    return packed >> 2, 1 << (packed & 3)


def _number(data: bytes, place: int, width: int) -> int:
    if width not in _UNSIGNED:
        raise Malformed(f"a FlexBuffer has numbers of {width} bytes, expected 1, 2, 4 or 8")
    return int(number_at(data, _UNSIGNED[width], place))


def _follow(data: bytes, place: int, width: int) -> int:
    """Return the target of the reference at `place`."""
    target = place - _number(data, place, width)
    if target < 0:
        raise Malformed("a FlexBuffer has a reference to a place before itself")
    return target


def _key(data: bytes, begin: int) -> str:
    end = data.find(b"\0", begin)
    if end < 0:
        raise Malformed("a key of a FlexBuffer has no end")
    return data[begin:end].decode("utf-8", "backslashreplace")


def _blob(data: bytes, place: int, width: int, packed: int) -> bytes:
    kind, size = _unpacked(packed)
    if kind not in _BYTES:
        raise Malformed(f"a value has type {kind}, expected a blob")
    begin = _follow(data, place, width)
    count = _number(data, begin - size, size)
    if begin + count > len(data):
        raise Malformed(f"a blob of {count} bytes does not fit into {len(data)} bytes")
    return data[begin : begin + count]
