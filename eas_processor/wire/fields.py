"""Walking the fields of a protobuf message in place, without copying what they hold."""

from typing import Iterator, Tuple

from eas_processor.wire.errors import MalformedMessage
from eas_processor.wire.varints import read_varint, write_varint

VARINT = 0
FIXED64 = 1
LENGTH = 2
FIXED32 = 5

_HIGHEST_TAG = (1 << 32) - 1


def tag_of(field: int, wire_type: int) -> int:
    """The tag that stands before a field."""
    return field << 3 | wire_type


def length_field(tag: int, content: bytes) -> bytes:
    """A field with its tag and length before it."""
    return write_varint(tag) + write_varint(len(content)) + content


def fields(view: memoryview, pos: int, stop: int) -> Iterator[Tuple[int, int, int]]:
    """Yield the tag, start and stop of the content of each field of the message at `view[pos:stop]`."""
    try:
        while pos < stop:
            begin = pos
            tag = view[pos]
            pos += 1
            if tag > 127:
                tag, pos = read_varint(view, begin)
            wire_type = tag & 7
            if wire_type == LENGTH:
                # Lengths of one byte are most of them; the call costs 0.15 µs.
                size = view[pos]
                pos += 1
                if size > 127:
                    size, pos = read_varint(view, pos - 1)
                end = pos + size
            elif wire_type == VARINT:
                end = read_varint(view, pos)[1]
            elif wire_type == FIXED32:
                end = pos + 4
            elif wire_type == FIXED64:
                end = pos + 8
            else:
                raise MalformedMessage(f"byte {begin} begins no field of a proto3 message")
            if tag < 8 or tag > _HIGHEST_TAG:
                raise MalformedMessage(f"byte {begin} begins a field numbered {tag >> 3}")
            # Whatever was read past `stop` is caught here, for the next position is past it too.
            if end > stop:
                raise MalformedMessage(
                    f"field {tag >> 3} at byte {begin} ends {end - stop} bytes past its message"
                )
            yield tag, pos, end
            pos = end
    except IndexError:
        raise MalformedMessage(f"it is cut off in the field at byte {begin}") from None
