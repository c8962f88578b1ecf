"""Parses the heads of requests, and bodies in chunks, with httptools."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import httptools

from eas_processor.frontends.http import checks
from eas_processor.frontends.http.head import Head
from eas_processor.frontends.http.refusals import EngineFailed, HttpRefusal, Malformed

if TYPE_CHECKING:
    from eas_processor.frontends.http.connection import HttpConnection

log = logging.getLogger("eas_processor.engine")

# The part of a request that is arriving on a connection.
BETWEEN = 0
"""No part: the next byte begins a request."""
HEAD = 1
BODY = 2
ENDED = 3
"""No part: the last request was taken, and further bytes are discarded."""

HEADS_AT_ONCE = 4096
"""The most bytes of heads that are parsed without a break: about a hundred short requests."""
_BODY_AT_ONCE = 8192
_CHUNK_ENDS = len(b"\r\n\r\n")
"""The line ends of a chunk."""


class Parsing:
    """
    The parser of a connection. It reports heads, bodies and their ends to the connection.

    httptools calls, in this order, on_message_begin, on_url, on_header, on_headers_complete,
    on_body and on_message_complete. The part of a body that does not arrive together with its head
    bypasses the parser.
    """

    def __init__(self, connection: HttpConnection) -> None:
        self._connection = connection
        self._parser = httptools.HttpRequestParser(self)
        self._first_head = b""
        """The received bytes, if they begin with a head that may be remembered; else empty."""
        # State of the request that is arriving
        self._target = b""
        self._headers: dict[bytes, bytes] = {}
        self._repeated = b""
        """A header of `checks.SINGLE` that was sent twice; else empty."""
        self._head_size = 0
        """Bytes received while the head was not complete."""
        self._field_size = 0
        """Bytes of the head's names and values."""
        self._framing = 0
        """Bytes after the head that are neither body nor the plain line of a chunk."""
        self._chunk = 0
        """Bytes of the chunk that is arriving."""

    def release(self) -> None:
        """Drop the references to the connection, so that no cycle keeps it alive."""
        del self._parser, self._connection

    def feed(self, data: bytes) -> bytes:
        """Parse the first part of `data`; return the rest."""
        connection = self._connection
        most = _BODY_AT_ONCE if connection.arriving == BODY else HEADS_AT_ONCE
        data, rest = data[:most], data[most:]
        # on_message_begin sets it to 0 again, because the bytes before a head do not count.
        self._head_size += len(data)
        self._first_head = data if connection.arriving == BETWEEN else b""
        if connection.request is not None:
            self._framing += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            # Some clients, such as Java's, offer HTTP/2 over clear text. A server may ignore that.
            self._parser = httptools.HttpRequestParser(self)
            return data[upgrade.args[0] :] + rest
        except httptools.HttpParserCallbackError:
            log.exception("parsing a request failed")
            refusal: HttpRefusal = EngineFailed("the engine failed; its log has the traceback")
            connection.refuse_unparsed(refusal)
        except httptools.HttpParserError as error:
            connection.refuse_unparsed(Malformed(f"the request is not valid HTTP/1.1: {error}"))
        else:
            self._check_sizes()
        return rest

    def _check_sizes(self) -> None:
        connection = self._connection
        limit = connection.server.settings.max_head
        if connection.arriving == HEAD and self._head_size > limit:
            connection.refuse_unparsed(checks.head_too_large(limit))
        elif connection.missing:
            self._parser = httptools.HttpRequestParser(self)
        elif connection.request is not None and self._framing > limit:
            # The parser joins the pieces of a trailer in quadratic time. 15 MB took 7 s.
            connection.refuse_unparsed(checks.framing_too_large(limit))

    # Called by httptools

    def on_message_begin(self) -> None:
        self._head_size = 0
        self._field_size = 0
        self._target = b""
        self._headers = {}
        self._repeated = b""
        self._connection.begin_head()

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._connection.arriving == HEAD:  # else it is a trailer
            self._field_size += len(name) + len(value)
            name = name.lower()
            if name in self._headers and name in checks.SINGLE:
                self._repeated = name
            # The parser removes whitespace before a value, but not after it.
            self._headers[name] = value.rstrip()

    def on_headers_complete(self) -> None:
        self._framing = 0
        # Only the head at the beginning of the piece may be remembered.
        first_head, self._first_head = self._first_head, b""
        connection = self._connection
        if connection.arriving != HEAD:
            return
        parser, headers = self._parser, self._headers
        version = parser.get_http_version()
        refusal = checks.malformed(version, self._target, headers, self._repeated)
        if self._field_size > connection.server.settings.max_head:
            refusal = checks.head_too_large(connection.server.settings.max_head)
        head = Head(
            parser.get_method(),
            self._target,
            headers,
            keep_alive=parser.should_keep_alive() and connection.server.keep_alive,
            old=version == "1.0",
        )
        if refusal is not None:
            connection.refuse_head(head, refusal)
        else:
            connection.take_head(head, headers, first_head)

    def on_chunk_header(self) -> None:
        self._chunk = 0

    def on_chunk_complete(self) -> None:
        self._framing -= len(b"%x" % self._chunk) + _CHUNK_ENDS

    def on_body(self, data: bytes) -> None:
        self._chunk += len(data)
        self._framing -= len(data)
        self._connection.receive_parsed(data)

    def on_message_complete(self) -> None:
        self._connection.end_request()
