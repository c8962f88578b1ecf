"""Heads of requests that come again and again, byte for byte: what they mean is known already."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from eas_processor.frontends.http.request import FORM_TYPE, JSON_TYPE, HttpRequest
from eas_processor.link.frames import ARRAY_PROTO, EAS_JSON

if TYPE_CHECKING:
    from eas_processor.frontends.eas.routes import Router
from eas_processor.serving.service import Service

_END = b"\r\n\r\n"
# What a request may not have, because it is treated in a way of its own.
_ODD = (b"expect", b"transfer-encoding", b"content-encoding", b"upgrade", b"x-request-id")


class KnownHead:
    """
    The head of the last request of a connection, and who answers it.

    A client that sends the plain token sends the same head over and over. Comparing its bytes is
    quicker than parsing and checking them: see docs/profile.md. What can change between two
    requests (limits, rate, readiness) is looked at each time; `holds` tells whether who is asked,
    and the token, are still the same.
    """

    __slots__ = (
        "_pattern",
        "_router",
        "_tokens",
        "codec",
        "head",
        "length",
        "service",
        "size",
        "start",
    )

    def __init__(
        self, head: bytes, length: int, request: HttpRequest, service: Service, router: Router
    ) -> None:
        self.head = head
        self.start = len(head)
        self.length = length
        self.size = self.start + length
        self.codec = EAS_JSON if request.content_type == JSON_TYPE else ARRAY_PROTO
        self.service = service
        self._tokens = service.tokens
        self._pattern = request
        self._router = router

    def holds(self) -> bool:
        """Whether the same endpoint would be found, and the same token be right."""
        service = self.service
        return service.tokens is self._tokens and self._router.serves(service)

    def again(self, now: float) -> HttpRequest:
        """Return another request with this head, which began `now`; it is not let in yet."""
        return self._pattern.again(now)


def learn(
    data: bytes, request: HttpRequest, headers: Mapping[bytes, bytes], router: Router
) -> KnownHead | None:
    """Return the head that `data` begins with, if it is one that may be taken so again."""
    service = request.service
    usual = request.keep_alive and not request.old and request.method == b"POST"
    if service is None or not usual or not data.startswith(b"POST "):
        return None
    if any(name in headers for name in _ODD) or request.content_type == FORM_TYPE:
        return None
    head, end, _ = data.partition(_END)
    length = int(headers.get(b"content-length", 0))
    return KnownHead(head + end, length, request, service, router) if end and length else None
