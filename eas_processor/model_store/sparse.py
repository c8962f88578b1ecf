"""Reads the maps of sparse files in tar files, which list the parts between the holes."""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterator, Sequence

Part = tuple[int, int]
"""The offset of data in the file, and its length, in bytes."""

_NUMBER = re.compile(r"\d{1,19}", re.ASCII)
_MOST_DIGITS = 19
# GNU's old format has the map in the member's header and in blocks after it.
_FIRST_MAP, _FIRST_PARTS, _FIRST_MORE, _REAL_SIZE = 386, 4, 482, 483
_MORE_PARTS, _MORE_MORE = 21, 504
_FIELD = 12


def old_parts(block: bytes, more: Iterator[bytes]) -> tuple[list[Part], int]:
    """Return the map and the size of a file in GNU's old format, from its header and `more`."""
    parts = _fields(block, _FIRST_MAP, _FIRST_PARTS)
    size = _field(block[_REAL_SIZE : _REAL_SIZE + _FIELD])
    flag = _FIRST_MORE
    while block[flag]:
        block, flag = next(more), _MORE_MORE
        parts += _fields(block, 0, _MORE_PARTS)
    return parts, size


def counted_map(blocks: Iterator[bytes]) -> list[Part]:
    """Return the map of version 1.0, which precedes the data: a count, then one number per line."""
    lines: list[str] = []
    wanted, begun = 1, b""
    while len(lines) < wanted:
        *whole, begun = (begun + next(blocks)).split(b"\n")
        lines += [line.decode("ascii", "replace") for line in whole]
        if len(begun) > _MOST_DIGITS and len(lines) < wanted:
            raise tarfile.ReadError("a sparse map without numbers")
        if lines:
            wanted = 1 + 2 * number(lines[0])
    return pairs(lines[1:wanted])


def pairs(numbers: Sequence[str]) -> list[Part]:
    """Return the map for a list of offset, size, offset, size, and so on."""
    values = [number(each) for each in numbers]
    if len(values) % 2:
        raise tarfile.ReadError("a sparse map with half a pair")
    return list(zip(values[::2], values[1::2], strict=True))


def check_parts(parts: Sequence[Part], size: int, stored: int) -> None:
    """Refuse a map whose parts overlap, exceed `size`, or are not `stored` bytes together."""
    end = 0
    for offset, length in parts:
        if offset < end and length:
            raise tarfile.ReadError("a sparse map that goes back")
        end = max(end, offset + length)
    if end > size or sum(length for _, length in parts) != stored:
        raise tarfile.ReadError("a sparse map that is not that of its file")


def number(text: str) -> int:
    """Return the decimal number in a header. Raises tarfile.ReadError."""
    if not _NUMBER.fullmatch(text):
        raise tarfile.ReadError(f"{text[:_MOST_DIGITS]!r} where a number is expected")
    return int(text)


def _fields(block: bytes, start: int, count: int) -> list[Part]:
    parts = []
    for place in range(start, start + count * 2 * _FIELD, 2 * _FIELD):
        offset = block[place : place + _FIELD]
        length = block[place + _FIELD : place + 2 * _FIELD]
        if not length[0]:
            break
        parts.append((_field(offset), _field(length)))
    return parts


def _field(field: bytes) -> int:
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    digits = field.strip(b"\0 ") or b"0"
    if not digits.isdigit():
        raise tarfile.ReadError(f"{digits!r} where a number is expected")
    return int(digits, 8)
