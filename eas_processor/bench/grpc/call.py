"""A prebuilt gRPC call: its frames, except for the stream number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hpack import Encoder

from eas_processor.bench.grpc.frames import (
    DATA,
    END_HEADERS,
    END_STREAM,
    FRAME_SIZE,
    HEADERS,
    frame,
)
from eas_processor.bench.target import Target
from eas_processor.errors import BenchError

_STATIC = {
    (":method", "POST"): b"\x83",
    (":scheme", "http"): b"\x86",
    (":scheme", "https"): b"\x87",
}
_INDEXED_NAMES = {":authority": b"\x01", ":path": b"\x04"}
_UNITS = (("u", 1e6), ("m", 1e3), ("S", 1.0))
_LARGEST_TIMEOUT = 99_999_999


@dataclass(frozen=True)
class Call:
    """
    The bytes of a call.

    `head` has the first five bytes of the HEADERS frame. `block` has the bytes of that frame after
    the stream number, and the first five bytes of a DATA frame with the whole `message`. `message`
    includes the prefix that gRPC puts before each message.
    """

    head: bytes
    block: bytes
    message: bytes

    @property
    def header_block(self) -> bytes:
        """The rest of the HEADERS frame, without the DATA frame."""
        return self.block[:-5]


def build_calls(
    target: Target,
    messages: Sequence[bytes],
    *,
    path: str = "",
    token: str = "",
    timeouts: Sequence[float] = (),
    indexed: bool = False,
) -> list[Call]:
    """
    Return a call for each message, or for each of `timeouts` in s, with the messages in turn.

    `path` is the method, by default that of the target. With `indexed`, calls put their headers
    into the server's table, including each new timeout, as clients in Go and Java do. Such calls
    are for one connection and must be sent in order, which may repeat. Raises BenchError for text
    that is not valid in a header.
    """
    fields = [
        (":method", "POST"),
        (":scheme", "https" if target.tls else "http"),
        (":path", path or target.path),
        (":authority", target.authority),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
        ("user-agent", "grpc-eascmd-bench"),
    ]
    if token:
        fields.append(("authorization", token))
    _check(fields)
    encode = Encoder().encode if indexed else _literals
    if not timeouts:
        return [_call(encode(fields), message) for message in messages]
    return [
        _call(encode([*fields, ("grpc-timeout", _timeout(each))]), messages[number % len(messages)])
        for number, each in enumerate(timeouts)
    ]


def _check(fields: Sequence[tuple[str, str]]) -> None:
    for _, value in fields:
        if not value.isascii():
            raise BenchError("URL and token must be ASCII")
        if any(each < " " or each == "\x7f" for each in value):
            raise BenchError("URL and token must not have control characters in them")


def _call(block: bytes, message: bytes) -> Call:
    if len(block) > FRAME_SIZE:
        raise BenchError(f"the headers of a call come to {len(block)} bytes, expected {FRAME_SIZE}")
    if len(message) > 2**32 - 1:
        raise BenchError("a message of gRPC has at most 4 GB")
    prefixed = b"\0" + len(message).to_bytes(4, "big") + message
    headers = frame(HEADERS, END_HEADERS, 0, block)
    data = frame(DATA, END_STREAM, 0, prefixed[:FRAME_SIZE])
    return Call(headers[:5], block + data[:5], prefixed)


def _literals(fields: Sequence[tuple[str, str]]) -> bytes:
    """Return a header block that is not added to any table (RFC 7541, section 6.2.2)."""
    return b"".join(
        _STATIC.get(field)
        or _INDEXED_NAMES.get(field[0], b"\0" + _text(field[0])) + _text(field[1])
        for field in fields
    )


def _text(text: str) -> bytes:
    raw = text.encode("ascii")
    if len(raw) < 127:
        return bytes([len(raw)]) + raw
    rest, length = len(raw) - 127, [127]
    while rest > 127:
        length.append(rest & 127 | 128)
        rest >>= 7
    return bytes([*length, rest]) + raw


def _timeout(seconds: float) -> str:
    """Return the value of grpc-timeout, in the finest unit for which eight digits suffice."""
    for unit, scale in _UNITS:
        if seconds * scale <= _LARGEST_TIMEOUT:
            return f"{max(1, round(seconds * scale))}{unit}"
    return f"{_LARGEST_TIMEOUT}S"
