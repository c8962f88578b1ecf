"""
An HTTP/2 client for tests that may break every rule: frames by hand, on one socket.

It keeps no windows and checks nothing that it sends. Only the header blocks of answers are decoded,
by the `hpack` library, which is as strict with them as a client may be.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from collections.abc import Callable, Iterable
from enum import IntEnum
from typing import NamedTuple

from hpack import Decoder

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
END_STREAM = ACK = 0x1
END_HEADERS = 0x4
PADDED = 0x8
PRIORITY_FLAG = 0x20
LARGEST_WINDOW = 2**31 - 1

ECHO = b"/test.Echo/Echo"
SIZE = b"/test.Echo/Size"
LATE = b"/test.Echo/Late"
STREAM = b"/test.Echo/Stream"


class Kind(IntEnum):
    """Types of frames, RFC 9113, section 6."""

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


class Code(IntEnum):
    """Error codes, RFC 9113, section 7."""

    NO_ERROR = 0
    PROTOCOL_ERROR = 1
    INTERNAL_ERROR = 2
    FLOW_CONTROL_ERROR = 3
    SETTINGS_TIMEOUT = 4
    STREAM_CLOSED = 5
    FRAME_SIZE_ERROR = 6
    REFUSED_STREAM = 7
    CANCEL = 8
    COMPRESSION_ERROR = 9
    CONNECT_ERROR = 10
    ENHANCE_YOUR_CALM = 11


class Setting(IntEnum):
    """Settings, RFC 9113, section 6.5.2."""

    HEADER_TABLE_SIZE = 1
    ENABLE_PUSH = 2
    MAX_CONCURRENT_STREAMS = 3
    INITIAL_WINDOW_SIZE = 4
    MAX_FRAME_SIZE = 5
    MAX_HEADER_LIST_SIZE = 6


Fields = Iterable[tuple[bytes, bytes]]
REQUEST: tuple[tuple[bytes, bytes], ...] = (
    (b":method", b"POST"),
    (b":scheme", b"http"),
    (b":path", ECHO),
    (b":authority", b"localhost"),
    (b"content-type", b"application/grpc"),
    (b"te", b"trailers"),
)


def frame(kind: int, flags: int = 0, stream: int = 0, payload: bytes = b"") -> bytes:
    return struct.pack(">IBI", len(payload) << 8 | kind, flags, stream) + payload


def u32(number: int) -> bytes:
    return struct.pack(">I", number)


def integer(number: int, bits: int, first: int = 0) -> bytes:
    """Return an HPACK integer with a prefix of so many bits; the others are those of `first`."""
    most = (1 << bits) - 1
    if number < most:
        return bytes([first | number])
    out, number = [first | most], number - most
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def text(value: bytes) -> bytes:
    """Return an HPACK string that is not in Huffman code."""
    return integer(len(value), 7) + value


def literal(name: bytes, value: bytes, first: int = 0) -> bytes:
    """Return a field that no table knows; `first` is 0x40 to insert it, 0x10 to index it never."""
    return bytes([first]) + text(name) + text(value)


def block(fields: Fields = REQUEST) -> bytes:
    """Return a header block that needs no table and changes none."""
    return b"".join(literal(name, value) for name, value in fields)


def request(*more: tuple[bytes, bytes], **changes: bytes | None) -> list[tuple[bytes, bytes]]:
    """Return the fields of a call and `more`; `path=` changes `:path`, and None removes it."""
    fields = []
    for name, value in REQUEST:
        key = name.decode().strip(":").replace("-", "_")
        changed = changes.pop(key, value)
        if changed is not None:
            fields.append((name, changed))
    assert not changes, f"no field of a call: {changes}"
    return [*fields, *more]


def headers(
    fields: Fields | bytes = REQUEST, stream: int = 1, *, end: bool = False, flags: int = 0
) -> bytes:
    """Return a whole HEADERS frame; `fields` may be a header block already."""
    payload = fields if isinstance(fields, bytes) else block(fields)
    flags |= END_HEADERS | (END_STREAM if end else 0)
    return frame(Kind.HEADERS, flags, stream, payload)


def data(payload: bytes, stream: int = 1, *, end: bool = False) -> bytes:
    return frame(Kind.DATA, END_STREAM if end else 0, stream, payload)


def message(payload: bytes = b"hello", flag: int = 0) -> bytes:
    """Return a gRPC message with its prefix of five bytes."""
    return bytes([flag]) + u32(len(payload)) + payload


def call(payload: bytes = b"hello", stream: int = 1, **changes: bytes | None) -> bytes:
    """Return the frames of a unary call."""
    return headers(request(**changes), stream) + data(message(payload), stream, end=True)


def settings(*pairs: tuple[int, int]) -> bytes:
    return frame(Kind.SETTINGS, 0, 0, b"".join(struct.pack(">HI", *pair) for pair in pairs))


def ping(payload: bytes = b"12345678") -> bytes:
    return frame(Kind.PING, 0, 0, payload)


def window_update(increment: int, stream: int = 0) -> bytes:
    return frame(Kind.WINDOW_UPDATE, 0, stream, u32(increment))


def reset(stream: int = 1, code: int = Code.CANCEL) -> bytes:
    return frame(Kind.RST_STREAM, 0, stream, u32(code))


class Frame(NamedTuple):
    """A frame that the server sent; `fields` are those of its header block."""

    kind: int
    flags: int
    stream: int
    payload: bytes
    fields: tuple[tuple[bytes, bytes], ...] = ()

    @property
    def ends(self) -> bool:
        return self.kind in (Kind.DATA, Kind.HEADERS) and bool(self.flags & END_STREAM)

    @property
    def number(self) -> int:
        """The error code of RST_STREAM and GOAWAY."""
        return int.from_bytes(
            self.payload[:4] if self.kind == Kind.RST_STREAM else self.payload[4:8], "big"
        )


class RawClient:
    """
    One connection; `frames` are all that the server has sent.

    `greet` sends the preface and `settings`. `limit` is how many seconds it waits for anything.
    """

    def __init__(
        self,
        address: tuple[str, int],
        *pairs: tuple[int, int],
        greet: bool = True,
        limit: float = 10.0,
    ) -> None:
        self.socket = socket.create_connection(address, limit)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.limit = limit
        self.frames: list[Frame] = []
        self.closed = False
        self._left = b""
        self._decoder = Decoder()
        self._decoder.max_allowed_table_size = dict(pairs).get(Setting.HEADER_TABLE_SIZE, 4096)
        if greet:
            self.send(PREFACE + settings(*pairs))

    def __enter__(self) -> RawClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, *pieces: bytes) -> None:
        """Send bytes; a connection that the server has closed takes them without an error."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            for piece in pieces:
                self.socket.sendall(piece)

    def end(self) -> None:
        """Say that no more will be sent."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)

    def read_until(self, condition: Callable[[], object]) -> bool:
        """Read until `condition`, or until the server closes; return which it was."""
        end = time.monotonic() + self.limit
        while not condition():
            if self.closed:
                return False
            left = end - time.monotonic()
            assert left > 0, f"nothing came within {self.limit} s; so far {self.frames}"
            self._receive(left)
        return True

    def read_to_end(self) -> None:
        """Read until the server closes."""
        self.read_until(lambda: False)

    def has_ended(self, stream: int) -> bool:
        """Whether the server has said its last of a stream."""
        return any(
            each.stream == stream and (each.ends or each.kind == Kind.RST_STREAM)
            for each in self.frames
        )

    def of(self, kind: int, stream: int | None = None) -> list[Frame]:
        """Return the frames of that kind that have come, of one stream or of all."""
        return [f for f in self.frames if f.kind == kind and stream in (None, f.stream)]

    def payload(self, stream: int = 1) -> bytes:
        """Return the DATA of a stream that has come."""
        return b"".join(each.payload for each in self.of(Kind.DATA, stream))

    def fields(self, stream: int = 1) -> dict[bytes, bytes]:
        """Return headers and trailers of a stream."""
        return {n: v for each in self.of(Kind.HEADERS, stream) for n, v in each.fields}

    def _receive(self, left: float) -> None:
        self.socket.settimeout(left)
        try:
            got = self.socket.recv(2**18)
        except TimeoutError:
            return
        except ConnectionResetError:
            got = b""
        self.closed = not got
        self._left += got
        while len(self._left) >= 9:
            word, flags, stream = struct.unpack_from(">IBI", self._left)
            if len(self._left) < 9 + (word >> 8):
                return
            payload = self._left[9 : 9 + (word >> 8)]
            self._left = self._left[9 + (word >> 8) :]
            fields = ()
            if word & 0xFF == Kind.HEADERS:
                assert flags & END_HEADERS, "answers' header blocks are small"
                fields = tuple(self._decoder.decode(payload, raw=True))
            self.frames.append(Frame(word & 0xFF, flags, stream, payload, fields))
