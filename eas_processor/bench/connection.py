"""One HTTP/1.1 connection of the load, with one request at a time."""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import TYPE_CHECKING, cast

import httptools

if TYPE_CHECKING:
    from eas_processor.bench.senders import Owner

_MARK = b"\r\n\r\n"
_LENGTH = b"\r\ncontent-length:"


class Connection(asyncio.Protocol):
    """
    Sends one request at a time and reports each answer to its owner.

    Answers with a Content-Length are parsed by hand, because the generator shares the machine with
    the server that it measures. httptools parses all others.
    """

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._transport: asyncio.Transport
        self.since: float | None = None
        """When the open request was, or should have been, sent; None while idle."""
        self._status = 0
        self._missing = 0
        """Bytes of the answer still to come, once its head has arrived."""
        self._keep_alive = True
        self._head = b""
        self._slow: _SlowAnswer | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def send(self, request: bytes, since: float) -> None:
        """Send a request whose latency counts from `since`."""
        self.since = since
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        if self._slow is not None:
            self._feed_slow(data)
        elif self._missing:
            self._missing -= len(data)
            if self._missing <= 0:
                self._finish()
        else:
            self._read_head(self._head + data if self._head else data)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._slow is not None and self._slow.ends_with_connection:
            self._slow = None
            self._keep_alive = False
            self._finish()
        self._owner.lost([self], exc)

    def give_up(self) -> None:
        """Close the connection, so that a late answer does not count for the next request."""
        self._transport.abort()

    def close(self) -> None:
        """Close without waiting for an answer."""
        self._transport.abort()

    def _read_head(self, data: bytes) -> None:
        end = data.find(_MARK)
        if end < 0:
            self._head = data
            return
        self._head = b""
        start = data.find(b"\r\nContent-Length:", 0, end)
        head = data
        if start < 0:
            head = data[:end].lower()
            start = head.find(_LENGTH)
        try:
            if data[:7] != b"HTTP/1." or self.since is None:
                raise ValueError
            self._status = int(data[9:12])
            if self._status < 200:
                self._read_head(data[end + 4 :])
                return
            self._keep_alive = data.find(b"onnection: close", 0, end) < 0
            if start < 0:
                self._start_slow(data)
                return
            stop = data.find(b"\r\n", start + 17, end)
            length = int(head[start + 17 : stop if stop > 0 else end])
        except ValueError:
            self._owner.broken(self, f"not an HTTP answer: {data[:60]!r}")
            return
        self._missing = end + 4 + length - len(data)
        if self._missing <= 0:
            self._finish()

    def _finish(self) -> None:
        now = perf_counter()
        since, self.since = cast("float", self.since), None
        if self._missing < 0:
            self._owner.broken(self, "more bytes came than Content-Length says")
            return
        self._owner.answered(self, self._status, since, now, reusable=self._keep_alive)
        if not self._keep_alive:
            self._transport.close()

    def _start_slow(self, data: bytes) -> None:
        self._slow = _SlowAnswer()
        self._feed_slow(data)

    def _feed_slow(self, data: bytes) -> None:
        slow = cast("_SlowAnswer", self._slow)
        try:
            slow.parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._owner.broken(self, f"not an HTTP answer: {error}")
            return
        if slow.complete:
            self._slow = None
            self._status = slow.parser.get_status_code()
            self._finish()


class _SlowAnswer:
    """An answer in chunks, or one that ends with its connection."""

    def __init__(self) -> None:
        self.parser = httptools.HttpResponseParser(self)
        self.complete = False
        self.ends_with_connection = True

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"transfer-encoding":
            self.ends_with_connection = False

    def on_message_complete(self) -> None:
        self.complete = True
