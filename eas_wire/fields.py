"""Walking the fields of a protobuf message in place, without copying what they hold."""

from itertools import repeat
from typing import Any, Dict, Iterator, Tuple

from eas_wire.errors import MalformedMessage, TooManyFields
from eas_wire.varints import read_varint, write_varint

VARINT = 0
FIXED64 = 1
LENGTH = 2
FIXED32 = 5

_FIXED_SIZES = {FIXED32: 4, FIXED64: 8}

MAX_FIELDS = 1 << 21
"""
Fields of one request, those inside its tensors included. A packed tensor is one field; strings, and
numbers that are not packed, are a field each. To walk this many takes 0.6 s; a body of 64 MiB can
hold 16 times as many.
"""

Allowance = Iterator[None]
"""How many fields may still be walked: what several calls of `fields` share and use up."""


def allowance(limit: int = MAX_FIELDS) -> Allowance:
    """An allowance of `limit` fields; the end of each message takes one too."""
    return repeat(None, limit)


UNLIMITED: Allowance = repeat(None)
"""For what a trusted peer sent, or what is short."""


def tag_of(field: int, wire_type: int) -> int:
    """The tag that stands before a field."""
    return field << 3 | wire_type


def length_field(tag: int, content: bytes) -> bytes:
    """A field with its tag and length before it."""
    return write_varint(tag) + write_varint(len(content)) + content


def fields(  # noqa: C901 - to call anything costs 0.1 us a field
    view: memoryview, pos: int, stop: int, allowed: Allowance = UNLIMITED
) -> Iterator[Tuple[int, int, int]]:
    """Yield each field of the message at `view[pos:stop]`: tag, start and end of its content."""
    try:
        # To draw from the allowance takes no longer than `while pos < stop` would.
        for _ in allowed:
            if pos >= stop:
                return
            # Most tags and lengths are one byte; to read those here saves 1 µs a request.
            tag = view[pos]
            start = pos + 1
            if tag > 127:
                tag, start = read_varint(view, pos)
            wire_type = tag & 7
            if wire_type == LENGTH:
                end = view[start]
                start += 1
                if end > 127:
                    end, start = read_varint(view, start - 1)
                end += start
            elif wire_type == VARINT:
                end = start + 1 if view[start] < 128 else read_varint(view, start)[1]
            elif wire_type in _FIXED_SIZES:
                end = start + _FIXED_SIZES[wire_type]
            else:
                raise MalformedMessage(f"byte {pos} begins no field of a proto3 message")
            if tag < 8:
                raise MalformedMessage(f"byte {pos} begins a field numbered 0")
            # Whatever was read past `stop` is caught here, for the end is past it too.
            if end > stop:
                raise MalformedMessage(
                    f"field {tag >> 3} at byte {pos} needs {end - stop} bytes more than there are"
                )
            yield tag, start, end
            pos = end
        raise TooManyFields(
            f"it has more than {MAX_FIELDS} fields by byte {pos}, the most that are taken; "
            "pack numbers ([packed = true]), or send fewer strings at a time"
        )
    except IndexError:
        raise MalformedMessage(f"it is cut off in the field at byte {pos}") from None


def add_numbers(values: Dict[int, Any], field: int, piece: memoryview) -> None:
    """Add a piece of a repeated field of numbers to what `values` holds of it, as bytes."""
    held = values.get(field)
    if held is None:
        values[field] = piece
        return
    # One growing buffer, for a list of pieces would take 40 bytes of memory for each unpacked byte.
    if not isinstance(held, bytearray):
        held = values[field] = bytearray(held)
    held += piece
