"""
Read the tables of a FlatBuffer without a schema compiler.

A table begins with the distance to its vtable, which has the offset of each field by number.
Strings and vectors begin with their length. All numbers are little-endian.
"""

import struct
from typing import Any, List, Optional, Tuple

_I32, _U32, _U16 = struct.Struct("<i"), struct.Struct("<I"), struct.Struct("<H")
_WORD = 4
_LEAD = 4
"""The bytes of a vtable before its offsets: its own size, and that of the table."""


class Malformed(Exception):
    """A buffer has an offset outside itself, or is not of the expected format."""


def number_at(data: bytes, kind: struct.Struct, place: int) -> Any:
    """Return the number at a place. Raises Malformed if that is outside the buffer."""
    if not 0 <= place <= len(data) - kind.size:
        raise Malformed(f"it has an offset to byte {place} of {len(data)}")
    return kind.unpack_from(data, place)[0]


class Table:
    """One table of `data`. Absent fields have default values. Methods raise Malformed."""

    __slots__ = ("_data", "_place")

    def __init__(self, data: bytes, place: int) -> None:
        self._data = data
        self._place = place

    @classmethod
    def root(cls, data: bytes) -> "Table":
        """Return the root table of a buffer."""
        return cls(data, number_at(data, _U32, 0))

    def number(self, field: int, kind: struct.Struct = _U32) -> int:
        """Return a scalar, or 0 if it is absent."""
        place = self._find(field)
        return 0 if place is None else int(number_at(self._data, kind, place))

    def data(self, field: int) -> bytes:
        """Return a vector of bytes, or a string."""
        begin, count = self._vector(field)
        if begin + count > len(self._data):
            raise Malformed(f"it has {count} bytes from byte {begin} of {len(self._data)} on")
        return self._data[begin : begin + count]

    def text(self, field: int) -> str:
        """Return a string."""
        return self.data(field).decode("utf-8", "backslashreplace")

    def numbers(self, field: int) -> List[int]:
        """Return a vector of int32 numbers."""
        begin, count = self._vector(field)
        self._refuse_long(begin, count)
        return [number_at(self._data, _I32, begin + _WORD * each) for each in range(count)]

    def tables(self, field: int) -> "List[Table]":
        """Return a vector of tables."""
        begin, count = self._vector(field)
        self._refuse_long(begin, count)
        places = [begin + _WORD * each for each in range(count)]
        return [Table(self._data, each + number_at(self._data, _U32, each)) for each in places]

    def _find(self, field: int) -> Optional[int]:
        vtable = self._place - number_at(self._data, _I32, self._place)
        entry = _LEAD + _U16.size * field
        if entry >= number_at(self._data, _U16, vtable):
            return None
        offset = number_at(self._data, _U16, vtable + entry)
        return self._place + offset if offset else None

    def _vector(self, field: int) -> Tuple[int, int]:
        """Return the place of a vector's first element, and the number of elements."""
        place = self._find(field)
        if place is None:
            return 0, 0
        place += number_at(self._data, _U32, place)
        return place + _WORD, number_at(self._data, _U32, place)

    def _refuse_long(self, begin: int, count: int) -> None:
        if begin + _WORD * count > len(self._data):
            raise Malformed(f"it has {count} elements from byte {begin} of {len(self._data)} on")
