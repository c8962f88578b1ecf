"""
HTTP/2 as fuzz targets: what bytes of a gRPC client do to a connection, and nghttp2's opinion.

Both read the same calls in the same bytes wherever both connections live on, but for what
`ALLOWED` names: there one of them is stricter than the other with header lists, within the RFC.
"""

from __future__ import annotations

import re
import struct
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from fuzz import http2_ngh2
from fuzz.http2_own import Seen, read
from hpack import Decoder, HPACKError

PIECES = (0, 1, 7, 100, 9000)
_FRAME = struct.Struct(">IBI")
_PRINTABLE = re.compile(rb"[!-~]+")
_AUTHORITY = re.compile(rb"[A-Za-z0-9.:\[\]-]+")
_SCHEME = re.compile(rb"[A-Za-z][A-Za-z0-9+.-]*")
_EXTENDS = (1, 9)

ENGINE, NGHTTP2 = "only the engine hands it over", "only nghttp2 hands it over"


Fields = dict[bytes, bytes]


class Lists(NamedTuple):
    """The header lists of a stream."""

    head: Fields
    trailers: Fields


class Difference(NamedTuple):
    """One that is no fault: who hands the call over, and what its head or its trailers have."""

    who: str
    what: str
    applies: Callable[[Fields, Fields], object]


ALLOWED = (
    Difference(
        ENGINE,
        "there is neither :authority nor host",
        lambda head, _: b":authority" not in head and b"host" not in head,
    ),
    Difference(
        ENGINE,
        ":authority or host is no host and port",
        lambda head, _: (
            not all(
                _AUTHORITY.fullmatch(head.get(name, b"localhost"))
                for name in (b":authority", b"host")
            )
        ),
    ),
    Difference(
        ENGINE,
        ":scheme is none of RFC 3986",
        lambda head, _: not _SCHEME.fullmatch(head.get(b":scheme", b"")),
    ),
    Difference(
        ENGINE,
        "trailers have a content-length",
        lambda _, trailers: b"content-length" in trailers,
    ),
    Difference(
        NGHTTP2,
        ":path has bytes that are not printable ASCII",
        lambda head, _: not _PRINTABLE.fullmatch(head.get(b":path", b"")),
    ),
    Difference(
        NGHTTP2,
        "te is trailers, not all in lower case",
        lambda head, _: head.get(b"te") != b"trailers",
    ),
)
allowed: Counter[str] = Counter()
"""How often each difference was met, and how often just one connection lived on."""


def http2(data: bytes) -> None:
    """What a gRPC client sends; the first byte says in which pieces it arrives."""
    if data:
        piece = PIECES[(data[0] >> 1) % len(PIECES)]
        read(data[1:], piece, at_once=not data[0] & 1, streams=True)


def http2_versus_ngh2(data: bytes) -> None:
    """The same bytes for the engine and for nghttp2: the same calls."""
    if not data:
        return
    own = read(data[1:], PIECES[(data[0] >> 1) % len(PIECES)], at_once=False, streams=False)
    other = http2_ngh2.read(data[1:])
    if not own.open or not other.open:
        allowed[f"the engine lives on: {own.open}; nghttp2: {other.open}"] += 1
        _agree_on_common(own, other)
        return
    heads = heads_of(data[1:])
    for who, calls in (
        (ENGINE, set(own.calls) - set(other.calls)),
        (NGHTTP2, set(other.calls) - set(own.calls)),
    ):
        for stream, path, message in calls:
            lists = heads.get(stream, Lists({}, {}))
            name = _allowed_name(who, lists)
            assert name, f"{who}: {path!r} on stream {stream}, {message[:40]!r}, {lists}"
            allowed[name] += 1


def _agree_on_common(own: Seen, other: Seen) -> None:
    """Fail where both hand over a call of one stream, and not the same."""
    messages = {stream: (path, message) for stream, path, message in other.calls}
    for stream, path, message in own.calls:
        assert messages.get(stream, (path, message)) == (path, message), stream


def _allowed_name(who: str, lists: Lists) -> str:
    for each in ALLOWED:
        if each.who == who and each.applies(*lists):
            return f"{who}: {each.what}"
    return ""


def heads_of(stream: bytes) -> dict[int, Lists]:
    """Return the header lists of each stream in bytes of a client that are valid HTTP/2."""
    decoder = Decoder()
    heads: dict[int, Lists] = {}
    block = b""
    at = 24
    while at + 9 <= len(stream):
        word, flags, number = _FRAME.unpack_from(stream, at)
        payload = stream[at + 9 : at + 9 + (word >> 8)]
        at += 9 + (word >> 8)
        if at > len(stream) or word & 0xFF not in _EXTENDS:
            continue
        if word & 0xFF == 1:
            block = _unpadded(payload, flags)
        else:
            block += payload
        if flags & 4:
            try:
                fields = {bytes(n): bytes(v) for n, v in decoder.decode(block, raw=True)}
            except HPACKError:
                return heads
            number &= 0x7FFFFFFF
            head = heads[number].head if number in heads else fields
            heads[number] = Lists(head, fields if number in heads else {})
    return heads


def _unpadded(payload: bytes, flags: int) -> bytes:
    if flags & 8:
        payload = payload[1 : len(payload) - payload[0]]
    return payload[5:] if flags & 32 else payload
