"""A call of gRPC, prebuilt: its frames, except for the number of its stream."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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

_STATIC = {"post": b"\x83", "http": b"\x86", "https": b"\x87"}
_AUTHORITY, _PATH = b"\x01", b"\x04"
_NEW_NAME = b"\x00"
_UNITS = (("u", 1e6), ("m", 1e3), ("S", 1.0))
_LARGEST_TIMEOUT = 99_999_999


@dataclass(frozen=True)
class Call:
    """
    The bytes of a call.

    `head` are the first five of its HEADERS frame. `block` is the rest of it after the stream's
    number, and the first five of a DATA frame with the whole of `message`. `message` has its
    prefix of gRPC.
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
) -> list[Call]:
    """
    Return a call for each message, or for each of `timeouts` in s, with the messages in turn.

    `path` is the method, the target's own by default. Raises BenchError for text that a header
    cannot have.
    """
    fields = {
        "content-type": "application/grpc",
        "te": "trailers",
        "user-agent": "grpc-eascmd-bench",
    }
    if token:
        fields["authorization"] = token
    block = _STATIC["post"] + _STATIC["https" if target.tls else "http"]
    block += _PATH + _text(path or target.path) + _AUTHORITY + _text(target.authority)
    block += b"".join(_literal(name, value) for name, value in fields.items())
    if not timeouts:
        return [_call(block, message) for message in messages]
    return [
        _call(block + _literal("grpc-timeout", _timeout(each)), messages[number % len(messages)])
        for number, each in enumerate(timeouts)
    ]


def _call(block: bytes, message: bytes) -> Call:
    if len(block) > FRAME_SIZE:
        raise BenchError(f"the headers of a call come to {len(block)} bytes, expected {FRAME_SIZE}")
    if len(message) > 2**32 - 1:
        raise BenchError("a message of gRPC has at most 4 GB")
    prefixed = b"\0" + len(message).to_bytes(4, "big") + message
    headers = frame(HEADERS, END_HEADERS, 0, block)
    data = frame(DATA, END_STREAM, 0, prefixed[:FRAME_SIZE])
    return Call(headers[:5], block + data[:5], prefixed)


def _literal(name: str, value: str) -> bytes:
    """Return a header that enters no table: RFC 7541, section 6.2.2."""
    return _NEW_NAME + _text(name) + _text(value)


def _text(text: str) -> bytes:
    try:
        raw = text.encode("ascii")
    except UnicodeEncodeError:
        raise BenchError("URL and token must be ASCII") from None
    if any(byte < 0x20 or byte == 0x7F for byte in raw):
        raise BenchError("URL and token must not have control characters in them")
    size = len(raw)
    if size < 127:
        return bytes([size]) + raw
    rest, length = size - 127, [127]
    while rest > 127:
        length.append(rest & 127 | 128)
        rest >>= 7
    return bytes([*length, rest]) + raw


def _timeout(seconds: float) -> str:
    """Return a value of grpc-timeout, in the finest unit that its eight digits allow."""
    for unit, scale in _UNITS:
        if seconds * scale <= _LARGEST_TIMEOUT:
            return f"{max(1, round(seconds * scale))}{unit}"
    return f"{_LARGEST_TIMEOUT}S"
