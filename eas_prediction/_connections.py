"""The connections of a blocking transport to one host."""

from __future__ import annotations

import queue
import select
import ssl
from typing import Any

from urllib3 import exceptions as http_errors
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.util import wait_for_read

from ._address import Address, Proxy
from ._http import Answer, Patience, Silent, exchange, first_of, receive, send
from ._kept import KEEP_ALIVE, Connection, Idle

_SOCKET_OPTIONS = [*HTTPConnection.default_socket_options, *KEEP_ALIVE]


class BlockingConnection(Connection):
    """An open connection of urllib3."""

    __slots__ = ("_http", "_poll", "sock")

    def __init__(self, http: HTTPConnection) -> None:
        super().__init__()
        self._http = http
        self.sock = http.sock
        self._poll: Any = None
        if hasattr(select, "poll"):
            # Kept, because urllib3's `wait_for_read` makes one for each request, which costs 1 us.
            self._poll = select.poll()
            self._poll.register(self.sock, select.POLLIN)

    def is_over(self) -> bool:
        # An idle connection should be silent. Bytes or an end mean that it cannot be reused.
        if self._poll is None:
            return wait_for_read(self.sock, timeout=0)
        return bool(self._poll.poll(0))

    def close(self) -> None:
        self._http.close()


class Host:
    """The connections to one host, and the limit of their number."""

    def __init__(
        self,
        address: Address,
        limit: int,
        ssl_context: ssl.SSLContext | None,
        proxy: Proxy | None,
        idle: Idle[BlockingConnection],
    ) -> None:
        self._address = address
        self._ssl_context = ssl_context
        self._proxy = proxy
        self.forwards = proxy is not None and address.scheme == "http"
        self._closed = False
        self._unreached = False
        """Whether the last attempt to connect failed. The next one then gets half of the time."""
        self._idle = idle
        # Used as a semaphore, because `threading.Semaphore` costs 4 us for each request.
        self.turns: queue.SimpleQueue[None] = queue.SimpleQueue()
        for _ in range(limit):
            self.turns.put(None)

    def exchange(
        self,
        head: bytes,
        body: bytes,
        patience: Patience,
        connect_timeout: float | None,
        once: bool = False,
    ) -> Answer:
        """Send a request and read its answer; with `once`, on one connection only."""
        kept = self._idle.take(once)
        opening = patience if once or not self._unreached else patience.halved()
        connection = kept or self._opened(opening, connect_timeout)
        answer = None
        try:
            doubtful = kept is not None and not once and self._idle.doubtful
            answer = exchange(connection.sock, head, body, patience, doubtful)
        except Silent as silent:
            # A host that is gone does not accept connections either. Half of the time is kept for
            # an attempt at another instance.
            opened = self._opened(patience.halved(), connect_timeout)
            connection, answer = self._race(connection, opened, head, body, patience, silent.sent)
        except (http_errors.HTTPError, OSError):
            if kept is not None:  # connections that have been idle for longer are not better
                self._idle.drop(kept.since)
            raise
        finally:
            if answer is not None and answer.keep and not self._closed:
                self._idle.put(connection)
            else:
                connection.close()
        return answer

    def close(self) -> None:
        """Close the idle connections now, and the others after their answers."""
        self._closed = True
        self._idle.clear()

    def _race(
        self,
        kept: BlockingConnection,
        opened: BlockingConnection,
        head: bytes,
        body: bytes,
        patience: Patience,
        sent: bool,
    ) -> tuple[BlockingConnection, Answer]:
        """Send the request on a new connection too, and use the first of the two answers."""
        since, winner = kept.since, opened
        try:
            send(opened.sock, head, body, patience)
            begin = b""
            if sent:
                sock, begin = first_of([kept.sock, opened.sock], patience)
                winner = kept if sock is kept.sock else opened
            if winner is opened:
                self._idle.drop(since)
            else:
                self._idle.trust()
            answer = receive(winner.sock, patience, begin)
        except BaseException:
            opened.close()
            raise
        (opened if winner is kept else kept).close()
        return winner, answer

    def _opened(self, patience: Patience, connect_timeout: float | None) -> BlockingConnection:
        left = patience.left()
        timeout = left if connect_timeout is None else min(left, connect_timeout)
        scheme, host, port, *_ = self._address
        port = port or (443 if scheme == "https" else 80)
        to, at = (host, port) if self._proxy is None else (self._proxy.host, self._proxy.port)
        connection: HTTPConnection
        if scheme == "https":
            connection = HTTPSConnection(
                to,
                at,
                timeout=timeout,
                socket_options=_SOCKET_OPTIONS,
                ssl_context=self._ssl_context,
            )
            connection.assert_hostname = None  # urllib3 1.26 leaves it undefined
            if self._proxy is not None:
                connection.set_tunnel(host, port, headers=dict(self._proxy.headers))
        else:
            connection = HTTPConnection(to, at, timeout=timeout, socket_options=_SOCKET_OPTIONS)
        try:
            connection.connect()
        except BaseException:
            self._unreached = True
            connection.close()
            raise
        self._unreached = False
        return BlockingConnection(connection)
