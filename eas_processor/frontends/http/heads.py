"""Builds the heads of HTTP responses, with one formatting operation for each answer."""

from __future__ import annotations

import secrets
import time
from email.utils import formatdate
from http import HTTPStatus

BYTES = b"application/octet-stream"
TEXT = b"text/plain; charset=utf-8"
JSON = b"application/json"

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

_REASONS = {status.value: status.phrase.encode() for status in HTTPStatus} | {450: b"Queue Full"}
_RETRY = b"Retry-After: 1\r\n"
_EXTRA = {429: _RETRY, 450: _RETRY, 503: _RETRY}
_KEEP_ALIVE = {True: b"", False: b"Connection: close\r\n"}
# HTTP/1.0 closes unless both sides say otherwise.
_KEEP_ALIVE_10 = {True: b"Connection: keep-alive\r\n", False: b"Connection: close\r\n"}

_FORM = (
    b"HTTP/1.1 %d %b\r\nServer: eas\r\nDate: %b\r\nX-Request-Id: %b\r\nContent-Type: %b\r\n"
    b"Content-Length: %d\r\n%b%b%b\r\n"
)

_RUN = secrets.token_hex(4).encode()
"""A prefix of request ids that differs for each process."""

_USUAL_BEGIN = b"HTTP/1.1 200 OK\r\nServer: eas\r\nDate: %b\r\nX-Request-Id: "
_USUAL_END = b"\r\nContent-Type: " + BYTES + b"\r\nContent-Length: %d\r\n\r\n%b"
_USUAL = b"%b%b-%x" + _USUAL_END
_USUAL_NAMED = b"%b%b" + _USUAL_END


def request_id(number: int) -> bytes:
    """Return an id for the request with this number, whose client sent none."""
    return b"%b-%x" % (_RUN, number)


class Heads:
    """Builds response heads; the Date header is formatted once a second."""

    def __init__(self) -> None:
        self._second = 0
        self._date = b""
        self._begin = b""
        """The head of the usual answer up to its request id."""

    def build(
        self,
        status: int,
        request_id: bytes,
        content_type: bytes,
        length: int,
        *,
        keep_alive: bool,
        old: bool = False,
        extra: bytes = b"",
    ) -> bytes:
        """
        Return the head of a response.

        `old` tells that the client uses HTTP/1.0. `extra` are additional header lines.
        """
        self._renew_date(int(time.time()))
        return _FORM % (
            status,
            _REASONS.get(status, b"Unknown"),
            self._date,
            request_id,
            content_type,
            length,
            (_KEEP_ALIVE_10 if old else _KEEP_ALIVE)[keep_alive],
            _EXTRA.get(status, b""),
            extra,
        )

    def build_usual(self, number: int, given_id: bytes, body: bytes) -> bytes:
        """
        Return head and body of the usual success, on a connection that stays open.

        `given_id` is the id that the client sent with the request of this `number`, or empty.
        """
        now = int(time.time())
        if now != self._second:
            self._renew_date(now)
        if given_id:
            return _USUAL_NAMED % (self._begin, given_id, len(body), body)
        return _USUAL % (self._begin, _RUN, number, len(body), body)

    def _renew_date(self, now: int) -> None:
        if now != self._second:
            self._second = now
            self._date = formatdate(now, usegmt=True).encode()
            self._begin = _USUAL_BEGIN % self._date
