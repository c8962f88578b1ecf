"""Checks of the head of a request, before its route is looked up."""

from __future__ import annotations

from collections.abc import Mapping

import httptools

from eas_processor.frontends.http.refusals import (
    ContentTooLarge,
    HeadersTooLarge,
    HttpRefusal,
    LengthRequired,
    Malformed,
    TargetTooLong,
    UnsupportedCoding,
)

SINGLE = frozenset([b"host", b"authorization", b"transfer-encoding", b"content-encoding"])
"""Headers that may occur once. With two, a proxy and the engine might follow different ones."""

_MAX_TARGET = 8 * 1024
_MAX_SHOWN = 80


def malformed(
    version: str, target: bytes, headers: Mapping[bytes, bytes], repeated: bytes
) -> HttpRefusal | None:
    """
    Return the refusal of an invalid request that the parser accepts, or None.

    `headers` has lower-case names. `repeated` is a header of `SINGLE` that occurs twice, or empty.
    """
    if len(target) > _MAX_TARGET:
        return TargetTooLong(f"the path and query are longer than {_MAX_TARGET} bytes")
    if version not in ("1.1", "1.0"):
        return Malformed(f"the request is HTTP/{version}, expected HTTP/1.1 or HTTP/1.0")
    if version == "1.1" and b"host" not in headers:
        return Malformed("the request has no Host header, which HTTP/1.1 requires")
    if repeated:
        name = repeated.decode().title()
        return Malformed(f"the request has more than one {name} header; send one")
    encoding = headers.get(b"content-encoding")
    if encoding is not None and encoding.lower() not in (b"gzip", b"x-gzip", b"identity"):
        return UnsupportedCoding(f"Content-Encoding is {shown(encoding)}, expected gzip or none")
    return _endless(version, headers)


def _endless(version: str, headers: Mapping[bytes, bytes]) -> HttpRefusal | None:
    """Return the refusal of a request whose body has no certain end, or None."""
    coding = headers.get(b"transfer-encoding")
    if coding is None:
        if b"expect" in headers and b"content-length" not in headers:
            return LengthRequired("Expect: 100-continue needs a Content-Length header")
        return None
    if version == "1.0":
        return Malformed("HTTP/1.0 has no Transfer-Encoding; send Content-Length")
    # With another coding before `chunked`, or an upgrade, the parser would miss the body's end.
    if coding.lower() != b"chunked":
        return Malformed(f"Transfer-Encoding is {shown(coding)}, expected 'chunked' alone")
    if b"upgrade" in headers:
        return Malformed("a request with Upgrade cannot have a chunked body; send Content-Length")
    return None


def origin_form(target: bytes) -> bytes:
    """Return path and query of a request target, which may be a whole URL from a proxy."""
    if target.startswith(b"/"):
        return target
    try:
        url = httptools.parse_url(target)
    except httptools.HttpParserInvalidURLError:
        return target
    return (url.path or b"/") + (b"?" + url.query if url.query else b"")


def shown(sent: bytes) -> str:
    """Return text from a client for an error message: quoted, and cut off if it is long."""
    text = sent[:_MAX_SHOWN].decode("latin-1")
    return repr(text if len(sent) <= _MAX_SHOWN else text + "...")


def head_too_large(limit: int) -> HeadersTooLarge:
    """Return the refusal of a head above `limit` bytes."""
    return HeadersTooLarge(f"the head of the request is larger than {limit} bytes")


def framing_too_large(limit: int) -> HeadersTooLarge:
    """Return the refusal of chunk lines and trailers above `limit` bytes."""
    return HeadersTooLarge(
        f"the chunk lines and trailers of the request are larger than {limit} bytes"
    )


def body_too_large(limit: int) -> ContentTooLarge:
    """Return the refusal of a body above `limit` bytes."""
    return ContentTooLarge(f"the body is larger than the engine's limit of {limit} bytes")
