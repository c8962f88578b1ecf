"""The parsed head of an HTTP request."""

from __future__ import annotations

import re
from collections.abc import Mapping

from eas_processor.frontends.http.checks import origin_form

JSON_TYPE = b"application/json"
_REQUEST_ID = re.compile(rb"[!-~]{1,128}")


class Head:
    """
    The parsed head of a request, shared by all requests of a connection with the same head.

    It never changes. `target` is path and query; `path` is the path alone. `old` tells whether the
    client uses HTTP/1.0. `length` is the Content-Length, 0 for a `chunked` body. `coded` tells
    whether the body is compressed. `request_id` is the client's own id, or empty. `takes_json`
    tells whether refusals are JSON. `plain` tells whether a usual answer needs no special head.
    `traceparent` is that header of W3C Trace Context, or empty.
    """

    __slots__ = (
        "chunked",
        "coded",
        "content_type",
        "expects",
        "keep_alive",
        "length",
        "method",
        "old",
        "path",
        "plain",
        "request_id",
        "takes_json",
        "target",
        "traceparent",
    )

    def __init__(
        self,
        method: bytes,
        target: bytes,
        headers: Mapping[bytes, bytes],
        *,
        keep_alive: bool,
        old: bool,
    ) -> None:
        self.method = method
        self.target = target if target.startswith(b"/") else origin_form(target)
        self.path = self.target.partition(b"?")[0]
        self.keep_alive = keep_alive
        self.old = old
        self.length = int(headers.get(b"content-length", 0))
        self.chunked = b"transfer-encoding" in headers
        coding = headers.get(b"content-encoding")
        self.coded = coding is not None and coding.lower() != b"identity"
        self.expects = b"expect" in headers
        given = headers.get(b"x-request-id")
        self.request_id = given if given is not None and _REQUEST_ID.fullmatch(given) else b""
        self.traceparent = headers.get(b"traceparent", b"")
        self.content_type = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        self.takes_json = self.content_type == JSON_TYPE or JSON_TYPE in headers.get(b"accept", b"")
        self.plain = keep_alive and not old and method != b"HEAD"


NO_HEAD = Head(b"", b"", {}, keep_alive=False, old=False)
"""The head for refusals without a request: invalid bytes, or a connection over the limit."""
