"""Variable-length integers: one at a time for tags and lengths, vectorised for tensors."""

from typing import Any, Tuple

import numpy as np

from eas_processor.wire.errors import MalformedMessage

LONGEST = 10

# Numbers are packed and unpacked in blocks, so that the working memory stays in the cache and does not
# grow with the tensor: its 64-bit columns take up to ten times the bytes of a block.
_BLOCK = 16384


def read_varint(view: memoryview, pos: int) -> Tuple[int, int]:
    """The unsigned number that starts at `pos`, and the position after it; IndexError at the end."""
    value = view[pos]
    pos += 1
    if value < 128:
        return value, pos
    value &= 127
    for shift in range(7, 7 * LONGEST, 7):
        byte = view[pos]
        pos += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value & 0xFFFFFFFFFFFFFFFF, pos
    raise MalformedMessage(f"a number is longer than {LONGEST} bytes")


def write_varint(value: int) -> bytes:
    """The bytes of one number, which is not negative."""
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def unpack_varints(raw: Any) -> "np.ndarray[Any, Any]":
    """The packed numbers, as int64, or as uint8 where each is below 128; `raw` is a buffer."""
    data = np.frombuffer(raw, np.uint8)
    # Token ids of a small vocabulary, labels and masks end here: 150,528 of them take 12 µs, not 2 ms.
    if not data.size or data.max() < 128:
        return data
    if data[-1] > 127:
        raise MalformedMessage("the last number is cut off")
    values = np.empty(np.count_nonzero(data < 128), np.uint64)
    pos = done = 0
    while pos < data.size:
        block = data[pos : pos + _BLOCK]
        stops = np.flatnonzero(block < 128) + 1
        if not stops.size:
            raise MalformedMessage(f"a number is longer than {LONGEST} bytes")
        values[done : done + stops.size] = _unpack_block(block, stops)
        pos += int(stops[-1])
        done += stops.size
    return values.view(np.int64)


def _unpack_block(
    block: "np.ndarray[Any, Any]", stops: "np.ndarray[Any, Any]"
) -> "np.ndarray[Any, Any]":
    starts = np.empty_like(stops)
    starts[0] = 0
    starts[1:] = stops[:-1]
    widths = stops - starts
    widest = int(widths.max())
    if widest > LONGEST:
        raise MalformedMessage(f"a number is longer than {LONGEST} bytes")
    values = (block[starts] & 127).astype(np.uint64)
    for place in range(1, widest):
        longer = np.flatnonzero(widths > place)
        bits = (block[starts[longer] + place] & 127).astype(np.uint64)
        values[longer] |= bits << np.uint64(7 * place)
    return values


def pack_varints(values: "np.ndarray[Any, Any]") -> bytes:
    """The packed numbers of an integer array; a negative one takes ten bytes, as protobuf writes int32 and int64."""
    numbers = values.astype(np.int64).ravel().view(np.uint64)
    if not numbers.size or numbers.max() < 128:
        return numbers.astype(np.uint8).tobytes()
    return b"".join(
        _pack_block(numbers[start : start + _BLOCK]) for start in range(0, numbers.size, _BLOCK)
    )


def _pack_block(numbers: "np.ndarray[Any, Any]") -> bytes:
    places = (int(numbers.max()).bit_length() + 6) // 7 or 1
    rest = numbers[:, np.newaxis] >> np.arange(0, 7 * places, 7, dtype=np.uint64)
    out = (rest & np.uint64(127)).astype(np.uint8)
    out[rest > 127] |= 128
    present = rest > 0
    present[:, 0] = True
    return out[present].tobytes()
