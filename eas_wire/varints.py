"""Read and write varints: one at a time for tags and lengths, vectorised for tensors."""

from typing import Any, Tuple

import numpy as np

from eas_wire.errors import MalformedMessage

LONGEST = 10

_ONE_BYTE = [bytes([value]) for value in range(128)]

# Numbers are packed and unpacked in blocks. The working arrays, of up to ten times the size of a
# block, then stay in the cache and do not grow with the tensor.
_BLOCK = 16384


def read_varint(view: memoryview, pos: int) -> Tuple[int, int]:
    """
    Return the unsigned number at `pos`, and the position after it.

    Raises IndexError if the number is cut off, and MalformedMessage if it is too long.
    """
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
    """Return one number as a varint; it must not be negative."""
    if value < 128:
        return _ONE_BYTE[value]
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def unpack_varints(raw: Any) -> "np.ndarray[Any, Any]":
    """
    Return the varints in a buffer as a flat array.

    The array is int64, or a uint8 view of `raw` if each number is below 128. Raises
    MalformedMessage.
    """
    if not len(raw):  # numpy before 1.20 cannot view an empty buffer
        return np.empty(0, np.uint8)
    data = np.frombuffer(raw, np.uint8)
    # The fast path for labels, masks and small token ids: 150,528 numbers take 12 µs, larger ones
    # 2 ms.
    if data.max() < 128:
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
    """Return an integer array as varints; a negative number takes ten bytes, as in protobuf."""
    numbers = values.astype(np.int64).ravel().view(np.uint64)
    if not numbers.size or numbers.max() < 128:
        return numbers.astype(np.uint8).tobytes()
    return b"".join(
        _pack_block(numbers[start : start + _BLOCK]) for start in range(0, numbers.size, _BLOCK)
    )


def _pack_block(numbers: "np.ndarray[Any, Any]") -> bytes:
    highest = int(numbers.max())
    places = max(1, (highest.bit_length() + 6) // 7)
    rest = numbers.astype(np.min_scalar_type(highest))
    out = np.empty((numbers.size, places), np.uint8)
    present = np.empty(out.shape, bool)
    for place in range(places):
        present[:, place] = rest != 0
        out[:, place] = rest & rest.dtype.type(127)
        rest = rest >> rest.dtype.type(7)
        out[:, place] |= (rest != 0).view(np.uint8) << np.uint8(7)
    present[:, 0] = True
    return out[present].tobytes()
