"""
Reads and writes the fields of protobuf messages.

The engine does not import protobuf or numpy, because it needs only a few fields of each message.
"""

from __future__ import annotations

from collections.abc import Iterator

VARINT, _FIXED64, LENGTH, _FIXED32 = 0, 1, 2, 5
_FIXED_SIZES = {_FIXED64: 8, _FIXED32: 4}
MOST_FIELDS = 10_000
"""The most fields of one message. Reading so many takes 3 ms."""
_LONGEST_VARINT = 10
LONGEST_HEAD = 2 * _LONGEST_VARINT
"""The most bytes of a tag together with a length or a number."""


class MalformedError(ValueError):
    """The bytes are not a protobuf message."""


def fields(message: bytes) -> Iterator[tuple[int, int, int, int]]:
    """Yield number, wire type, start and stop of each field's content. Raises MalformedError."""
    pos, end = 0, len(message)
    for _ in range(MOST_FIELDS):
        if pos == end:
            return
        number, kind, start, stop = field_at(message, pos)
        if stop > end:
            raise MalformedError("a field goes beyond the end of its message")
        yield number, kind, start, stop
        pos = stop
    raise MalformedError(f"the message has more than {MOST_FIELDS} fields")


def field_at(message: bytes, pos: int) -> tuple[int, int, int, int]:
    """Return the field at `pos` as `fields` yields it. Its end may be beyond the message."""
    tag = message[pos]
    start = pos + 1
    if tag > 0x7F:
        tag, start = read_varint(message, pos)
    kind = tag & 7
    if kind == LENGTH:
        size, start = read_varint(message, start)
        return tag >> 3, kind, start, start + size
    if kind == VARINT:
        return tag >> 3, kind, start, read_varint(message, start)[1]
    if kind in _FIXED_SIZES:
        return tag >> 3, kind, start, start + _FIXED_SIZES[kind]
    raise MalformedError(f"a field has the wire type {kind}, expected 0, 1, 2 or 5")


def read_varint(message: bytes, pos: int) -> tuple[int, int]:
    """Return the number at `pos`, and the position after it. Raises MalformedError."""
    value = shift = 0
    for byte in message[pos : pos + _LONGEST_VARINT]:
        pos += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, pos
        shift += 7
    raise MalformedError("a number is cut off, or longer than 64 bits")


def varint(value: int) -> bytes:
    """Return a number in the encoding of protobuf; a negative one as 64 bits."""
    value &= 0xFFFFFFFFFFFFFFFF
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def number_field(number: int, value: int) -> bytes:
    """Return a field with a number, or nothing for 0, as protobuf does."""
    return varint(number << 3 | VARINT) + varint(value) if value else b""


def length_field(number: int, content: bytes) -> bytes:
    """Return a field with bytes, a text or a message."""
    return varint(number << 3 | LENGTH) + varint(len(content)) + content


def text_field(number: int, text: str) -> bytes:
    """Return a field with a text, or nothing for an empty text."""
    return length_field(number, text.encode()) if text else b""
