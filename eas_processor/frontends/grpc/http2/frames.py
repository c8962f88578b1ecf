"""Frames of HTTP/2 (RFC 9113), and the header fields that the server sends."""

from __future__ import annotations

import struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
FRAME_HEAD = struct.Struct(">IBI")
"""Length and type in one word, flags, stream: 9 bytes."""
HEAD_SIZE = 9
U32 = struct.Struct(">I")

# Types, section 6
DATA = 0
HEADERS = 1
PRIORITY = 2
RST_STREAM = 3
SETTINGS = 4
PUSH_PROMISE = 5
PING = 6
GOAWAY = 7
WINDOW_UPDATE = 8
CONTINUATION = 9

# Flags
ACK = END_STREAM = 0x1
END_HEADERS = 0x4
PADDED = 0x8
WITH_PRIORITY = 0x20

# Error codes, section 7
NO_ERROR = 0
PROTOCOL_ERROR = 1
INTERNAL_ERROR = 2
FLOW_CONTROL_ERROR = 3
STREAM_CLOSED = 5
FRAME_SIZE_ERROR = 6
REFUSED_STREAM = 7
CANCEL = 8
COMPRESSION_ERROR = 9
ENHANCE_YOUR_CALM = 11

# Settings, section 6.5.2
HEADER_TABLE_SIZE = 1
ENABLE_PUSH = 2
MAX_CONCURRENT_STREAMS = 3
INITIAL_WINDOW_SIZE = 4
MAX_FRAME_SIZE = 5
MAX_HEADER_LIST_SIZE = 6

LARGEST = 2**31 - 1
"""The largest window, and the largest number of a stream."""
FIRST_WINDOW = 65535
FIRST_FRAME = 16384
SMALLEST_TABLE_WITHOUT_A_WORD = 4096


def frame(kind: int, flags: int = 0, stream: int = 0, payload: bytes = b"") -> bytes:
    """Return a whole frame."""
    return FRAME_HEAD.pack(len(payload) << 8 | kind, flags, stream) + payload


def window_update(stream: int, more: int) -> bytes:
    """Return a frame that lets the peer send `more` bytes of DATA."""
    return frame(WINDOW_UPDATE, 0, stream, U32.pack(more))


def reset(stream: int, code: int) -> bytes:
    """Return a frame that ends a stream."""
    return frame(RST_STREAM, 0, stream, U32.pack(code))


def settings(values: dict[int, int]) -> bytes:
    """Return a SETTINGS frame."""
    payload = b"".join(struct.pack(">HI", *each) for each in values.items())
    return frame(SETTINGS, 0, 0, payload)


def literal(name: bytes, value: bytes) -> bytes:
    """Return a field that uses no table and is not inserted into one (RFC 7541, 6.2.2)."""
    return b"\0" + _string(name) + _string(value)


def _string(text: bytes) -> bytes:
    """Return a string without Huffman code. Its length is an integer with a 7-bit prefix."""
    size = len(text)
    if size < 0x7F:
        return bytes([size]) + text
    out, size = [0x7F], size - 0x7F
    while size > 0x7F:
        out.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes([*out, size]) + text
