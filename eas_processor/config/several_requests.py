"""
Detects several concatenated `PredictRequest`s.

protobuf reads them as one request in which later values replace earlier ones, so a warm-up would
send a request that nobody wrote. The engine imports no protobuf, and the outermost fields are
enough to tell.
"""

from __future__ import annotations

_SIGNATURE_NAME, _INPUTS = 1, 2
_MAP_KEY = 1
_LENGTH = 2
"""The wire type of strings, bytes and messages. A request has only these at its outermost level."""


def holds_several(content: bytes) -> bool:
    """Tell whether a signature name or an input occurs twice. Bytes of another kind give False."""
    seen: set[bytes] = set()
    try:
        for number, value in _fields(content):
            if number == _SIGNATURE_NAME:
                what = b"signature"
            elif number == _INPUTS:
                what = b"input " + dict(_fields(value)).get(_MAP_KEY, b"")
            else:
                continue
            if what in seen:
                return True
            seen.add(what)
    except ValueError:
        pass  # the worker reports invalid requests
    return False


def _fields(content: bytes) -> list[tuple[int, bytes]]:
    """Return the numbers and values of a message's fields, in order. Raises ValueError."""
    found = []
    offset = 0
    while offset < len(content):
        tag, offset = _varint(content, offset)
        size, offset = _varint(content, offset)
        if tag & 7 != _LENGTH or offset + size > len(content):
            raise ValueError("not a request")
        found.append((tag >> 3, content[offset : offset + size]))
        offset += size
    return found


def _varint(content: bytes, offset: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 64, 7):
        if offset >= len(content):
            break
        byte = content[offset]
        offset += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, offset
    raise ValueError("not a number")
