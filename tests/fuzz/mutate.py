"""Mutations without coverage: quick, and the same for the same seed."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

_MAX_SIZE = 20_000
_TOKENS = (
    *(b"\r\n", b"\r\n\r\n", b"\n", b": ", b"chunked", b"0\r\n\r\n", b"gzip", b"100-continue"),
    *(b"Content-Length: ", b"Transfer-Encoding: ", b"Content-Encoding: ", b"Connection: close"),
    *(b"Expect: ", b"Upgrade: h2c", b"Authorization: t", b"HTTP/1.0", b"HEAD", b"GET", b"POST"),
    *(b"\xff\xff\xff\xff\x0f", b"\x80" * 9 + b"\x01", b"\x0a", b"\x12", b"\x00", b"\xff", b"\x7f"),
    *(b"\xff" * 4, b"\x00" * 8, b"99999999999999999999", b"-1", b"{}", b"[" * 3000),
)


def mutations(seeds: Sequence[bytes], count: int, seed: int) -> Iterator[bytes]:
    """Yield `count` inputs made from `seeds`."""
    source = random.Random(seed)
    for _ in range(count):
        data = bytearray(source.choice(seeds))
        for _ in range(source.choice((1, 1, 2, 3, 5, 8))):
            mutate(data, source, seeds)
        yield bytes(data[:_MAX_SIZE])


def mutate(data: bytearray, source: random.Random, seeds: Sequence[bytes]) -> None:
    """Change `data` once: a bit, a byte, some bytes, or its rest for that of another seed."""
    at = source.randrange(len(data) + 1)
    end = min(len(data), at + source.choice((1, 2, 4, 16, 200)))
    kind = source.randrange(6)
    if kind == 0 and at < len(data):
        data[at] ^= 1 << source.randrange(8)
    elif kind == 1 and at < len(data):
        data[at] = source.randrange(256)
    elif kind == 2:
        del data[at:end]
    elif kind == 3:
        data[at:at] = data[at:end] * source.choice((1, 2, 30))
    elif kind == 4:
        data[at:at] = source.choice(_TOKENS)
    else:
        other = source.choice(seeds)
        data[at:] = other[source.randrange(len(other) + 1) :]
