"""Mutations of what HTTP/2 clients send that know frames, to get past the first checks."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator, Sequence

from fuzz.mutate import mutate

PREFACE_SIZE = 24
_FRAME = struct.Struct(">IBI")
_KINDS = (*(0, 0, 0, 1, 1, 1, 1, 2, 3, 3, 4, 5, 6, 7, 8, 8, 9), 0xBE)
_STREAMS = (*(1, 1, 3, 3, 5, 5, 7, 9, 11, 13, 13, 15, 2), 2**31 - 1, 2**31 + 1)
_OF_THE_CONNECTION = (4, 6, 7)
_FLAGS = (0, 0, 1, 1, 4, 4, 5, 5, 5, 8, 9, 12, 13, 32, 36, 37, 45, 255)
_NUMBERS = (0, 1, 5, 8, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1)
_BLOCK_ENDS = (
    *(b"", b"", b"\xbe", b"\xbf" * 3, b"\xbe" * 40, b"\x80", b"\xff\x80\x01", b"\x3f\xe1\x1f"),
    *(b"\x20", b"\x20\x3f\xe1\x1f", b"\x40\x01x\x01y", b"\x10\x01x\x01y", b"\x00\x01X\x00"),
    *(b"\x00\x02te\x04gzip", b"\x00\x0cgrpc-timeout\x02x1", b"\x40\x0cgrpc-timeout\x0210S"[:-1]),
    *(b"\x00\x0econtent-length\x0210", b"\x0f\x0d\x0210", b"\x00\x01x\x82\xff\xff", b"\x83"),
)
_MESSAGES = (
    *(b"", b"\0", b"\0\0\0", b"\0\0\0\0\0", b"\0\0\0\0\5hello", b"\0\0\0\0\5hel", b"lo"),
    *(b"\1\0\0\0\5hello", b"\0\xff\xff\xff\xff", b"\0\0\0\0\5hello\0\0\0\0\1x", bytes(20_000)),
)


def frames_of(stream: bytes) -> list[bytes]:
    """Return the preface and the frames of what a client sends; the last may be cut."""
    frames, at = [stream[:PREFACE_SIZE]], PREFACE_SIZE
    while at < len(stream):
        size = 9 + int.from_bytes(stream[at : at + 3], "big")
        frames.append(stream[at : at + size])
        at += size
    return frames


def streams(seeds: Sequence[bytes], count: int, seed: int) -> Iterator[bytes]:
    """
    Yield `count` inputs made from `seeds`.

    The first byte of each is not the client's: a target chooses by it how the rest arrives.
    """
    source = random.Random(seed)
    kept = [frames_of(each[1:]) for each in seeds]
    blocks = [f[9:] for frames in kept for f in frames[1:] if f[3:4] == b"\1"]
    for _ in range(count):
        yield bytes([source.randrange(256)]) + _stream(source, source.choice(kept), blocks, seeds)


def _stream(
    source: random.Random, frames: Sequence[bytes], blocks: list[bytes], seeds: Sequence[bytes]
) -> bytes:
    parts = list(frames)
    for _ in range(source.choice((0, 1, 1, 1, 1, 2, 2, 3, 8))):
        # Seldom before the preface: all else would go unseen.
        at = source.randrange(0 if source.random() < 0.02 else 1, len(parts) + 1)
        kind = source.randrange(8)
        if kind == 0 and at < len(parts):
            del parts[at]
        elif kind == 1 and at < len(parts):
            parts.insert(source.randrange(1, len(parts)), parts[at])
        else:
            parts.insert(at, _frame(source, blocks))
    data = bytearray(b"".join(parts))
    if source.random() < 0.25:
        for _ in range(source.choice((1, 1, 2, 4))):
            data[source.randrange(min(len(data) - 1, PREFACE_SIZE), len(data))] = source.randrange(
                256
            )
    if source.random() < 0.1:
        mutate(data, source, seeds)
    if source.random() < 0.1:
        del data[source.randrange(len(data) + 1) :]
    return bytes(data)


def _frame(source: random.Random, blocks: list[bytes]) -> bytes:
    kind = source.choice(_KINDS)
    payload = _payload(source, kind, blocks)
    length = len(payload) if source.random() < 0.98 else source.randrange(2**24)
    fits = source.random() < 0.9
    stream = 0 if (kind in _OF_THE_CONNECTION) == fits else source.choice(_STREAMS)
    return _FRAME.pack(length << 8 | kind, source.choice(_FLAGS), stream) + payload


def _payload(source: random.Random, kind: int, blocks: list[bytes]) -> bytes:
    if kind in (1, 9):
        block = bytearray(source.choice(blocks) + source.choice(_BLOCK_ENDS))
        for _ in range(source.choice((0, 0, 0, 0, 1, 3))):
            block[source.randrange(len(block))] = source.randrange(256)
        return bytes(block)
    if kind == 0:
        return source.choice((*_MESSAGES, source.randbytes(source.randrange(300))))
    if kind == 4:
        pairs = [(source.randrange(8), source.choice(_NUMBERS)) for _ in range(source.randrange(4))]
        return b"".join(struct.pack(">HI", *pair) for pair in pairs)
    if kind in (3, 8):
        return struct.pack(">I", source.choice(_NUMBERS))
    return source.randbytes(5 if kind == 2 else source.choice((8, 8, 8, source.randrange(30))))
