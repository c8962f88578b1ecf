"""Walk the fields of a protobuf message in place, without copying their content."""

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
The most fields in one request, including those of its tensors.

A packed tensor is one field. Each string is a field, and so is each number that is not packed.
Walking this many fields takes 0.6 s. A body of 64 MiB can hold 16 times as many.
"""

Allowance = Iterator[None]
"""A number of fields that several calls of `fields` may walk together."""


def allowance(limit: int = MAX_FIELDS) -> Allowance:
    """Return an allowance of `limit` fields, where the end of each message counts as a field."""
    return repeat(None, limit)


UNLIMITED: Allowance = repeat(None)
"""The allowance for short messages and for those of trusted senders."""


def tag_of(field: int, wire_type: int) -> int:
    """Return the tag that precedes a field."""
    return field << 3 | wire_type


def length_field(tag: int, content: bytes) -> bytes:
    """Return a field of wire type LENGTH: tag, length and content."""
    return write_varint(tag) + write_varint(len(content)) + content


def fields(  # noqa: C901 - each function call would add 0.1 us a field
    view: memoryview, pos: int, stop: int, allowed: Allowance = UNLIMITED
) -> Iterator[Tuple[int, int, int]]:
    """
    Yield each field of the message at `view[pos:stop]`: tag, start and end of its content.

    Raises MalformedMessage, and TooManyFields when `allowed` is used up.
    """
    try:
        # Drawing from the allowance takes no longer than `while pos < stop` would.
        for _ in allowed:
            if pos >= stop:
                return
            # Most tags and lengths take one byte. Reading these inline saves 1 µs a request.
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
            # This also catches a tag or length that was read past `stop`: `end` is past it too.
            if end > stop:
                raise MalformedMessage(
                    f"field {tag >> 3} at byte {pos} needs {end - stop} bytes more than there are"
                )
            yield tag, start, end
            pos = end
        raise TooManyFields(
            f"it has more than {MAX_FIELDS} fields by byte {pos}, the limit for one request; pack "
            "numbers ([packed = true]), or send fewer strings in one request"
        )
    except IndexError:
        raise MalformedMessage(f"it is cut off in the field at byte {pos}") from None


def add_numbers(values: Dict[int, Any], field: int, piece: memoryview) -> None:
    """Append the bytes of a piece of a repeated number field to those already in `values`."""
    held = values.get(field)
    if held is None:
        values[field] = piece
        return
    # One growing buffer: a list of pieces would take 40 bytes of memory for each unpacked byte.
    if not isinstance(held, bytearray):
        held = values[field] = bytearray(held)
    held += piece
