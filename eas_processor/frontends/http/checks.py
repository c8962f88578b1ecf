"""What must be right in the head of a request before anybody is asked to answer it."""

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
"""Headers that a request may have once: of two, a proxy in front might have obeyed the other."""

_MAX_TARGET = 8 * 1024
_MAX_SHOWN = 80


def malformed(
    version: str, target: bytes, headers: Mapping[bytes, bytes], repeated: bytes
) -> HttpRefusal | None:
    """
    Return why the request cannot be taken, in the cases that the parser lets pass.

    `headers` has lower-case names; `repeated` is a header of `SINGLE` that came again, or empty.
    """
    if len(target) > _MAX_TARGET:
        return TargetTooLong(f"the path and query are longer than {_MAX_TARGET} bytes")
    if version not in ("1.1", "1.0"):
        return Malformed(f"the request is HTTP/{version}; HTTP/1.1 and HTTP/1.0 are spoken here")
    if version == "1.1" and b"host" not in headers:
        return Malformed("the request has no Host header, which HTTP/1.1 requires")
    if repeated:
        name = repeated.decode().title()
        return Malformed(f"the request has more than one {name} header; send one")
    encoding = headers.get(b"content-encoding")
    if encoding is not None and encoding.lower() not in (b"gzip", b"x-gzip", b"identity"):
        return UnsupportedCoding(f"Content-Encoding: {shown(encoding)} is not understood; gzip is")
    return _endless(version, headers)


def _endless(version: str, headers: Mapping[bytes, bytes]) -> HttpRefusal | None:
    """Return why the end of the body cannot be told for sure."""
    coding = headers.get(b"transfer-encoding")
    if coding is None:
        if b"expect" in headers and b"content-length" not in headers:
            return LengthRequired("the body is announced by Expect, but not its Content-Length")
        return None
    if version == "1.0":
        return Malformed("HTTP/1.0 has no Transfer-Encoding; send Content-Length")
    # With any other coding before `chunked`, or an upgrade, the parser would lose the body's end.
    if coding.lower() != b"chunked":
        return Malformed(
            f"Transfer-Encoding: {shown(coding)} is not understood; 'chunked' alone is"
        )
    if b"upgrade" in headers:
        return Malformed("a request with Upgrade cannot have a chunked body; send Content-Length")
    return None


def origin_form(target: bytes) -> bytes:
    """Return path and query of a request target that may be a whole URL, as proxies send it."""
    if target.startswith(b"/"):
        return target
    try:
        url = httptools.parse_url(target)
    except httptools.HttpParserInvalidURLError:
        return target
    return (url.path or b"/") + (b"?" + url.query if url.query else b"")


def shown(sent: bytes) -> str:
    """Return something that a client has sent as sentences show it: quoted, and cut if long."""
    text = sent[:_MAX_SHOWN].decode("latin-1")
    return repr(text if len(sent) <= _MAX_SHOWN else text + "...")


def head_too_large(limit: int) -> HeadersTooLarge:
    """Return the refusal of a head above `limit` bytes."""
    return HeadersTooLarge(f"the head of the request is larger than {limit} bytes")


def framing_too_large(limit: int) -> HeadersTooLarge:
    """Return the refusal of more than `limit` bytes behind the head that are not body."""
    return HeadersTooLarge(
        f"the chunk lines and trailers of the request are larger than {limit} bytes"
    )


def body_too_large(limit: int) -> ContentTooLarge:
    """Return the refusal of a body above `limit` bytes."""
    return ContentTooLarge(f"the body is larger than {limit} bytes, the most that is taken here")
