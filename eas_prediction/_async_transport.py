"""How requests of an asyncio program reach a host, and their answers come back."""

from __future__ import annotations

import asyncio
import ssl
import time
from abc import ABC, abstractmethod
from collections import deque
from typing import Any, Mapping

from ._checks import count, seconds
from ._http import Answer, ConnectionCut, Patience, Reading, read_answer, request_head
from ._transport import Address, failure_of_connection, split_url, trusting
from .exception import NO_ANSWER, PredictException, TimedOut

_Timeout = asyncio.TimeoutError


class AsyncTransport(ABC):
    """Carries one request to one answer; called by many tasks of one loop at once."""

    @abstractmethod
    async def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, timeout: float
    ) -> tuple[int, Mapping[str, str], bytes]:
        """
        Return status, headers and body of the answer, whatever its status; follow no redirect.

        `timeout` (seconds) is for all of it. Raises `ConnectionLost` or `TimedOut` when no complete
        answer comes.
        """

    @abstractmethod
    def close(self) -> None:
        """Close what is kept open; a later `send` opens it anew."""

    def forget(self, address: str) -> None:  # noqa: B027 - most keep nothing
        """Close what is kept open to `http://HOST:PORT`; called from any thread."""


class AsyncPooledTransport(AsyncTransport):
    """
    Keeps connections open, at most `max_connections` to a host; more requests than that wait.

    The other settings are those of `PooledTransport`.
    """

    def __init__(
        self,
        max_connections: int = 100,
        ca_certs: str | None = None,
        *,
        ssl_context: ssl.SSLContext | None = None,
        connect_timeout: float | None = None,
        read_timeout: float | None = None,
    ) -> None:
        self.ca_certs = ca_certs
        self.ssl_context = ssl_context
        self.connect_timeout = seconds("connect_timeout", connect_timeout)
        self.read_timeout = seconds("read_timeout", read_timeout)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._hosts: dict[tuple[str, str, int | None], _Host] = {}
        self.limit(max_connections)

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, timeout: float
    ) -> tuple[int, Mapping[str, str], bytes]:
        patience = Patience(time.monotonic() + timeout, self.read_timeout)
        address = split_url(url)
        head = request_head(method, address.target, address.authority, headers, len(body))
        host = self._host(address)
        try:
            await asyncio.wait_for(host.turns.acquire(), timeout)
        except _Timeout:
            raise TimedOut(
                NO_ANSWER,
                f"{url}: all {self.max_connections} connections were busy for {timeout:.3g} s; "
                "allow more with set_max_connection_count, or use fewer tasks",
            ) from None
        try:
            answer = await host.exchange(head, body, patience, self.connect_timeout)
        except PredictException as error:
            error.message = f"{url}: {error.message}"
            raise
        except (OSError, _Timeout) as error:
            raise failure_of_connection(_as_socket_says(error), url, timeout, patience) from error
        finally:
            host.turns.release()
        return answer.status, answer.headers, answer.body

    def limit(self, max_connections: int) -> None:
        """Allow `max_connections` to one host from now on."""
        self.max_connections = count("max_connections", max_connections)
        self.close()

    def close(self) -> None:
        hosts, self._hosts = self._hosts, {}
        for host in hosts.values():
            host.close()

    def forget(self, address: str) -> None:
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._forget, split_url(address)[:3])

    def _forget(self, key: tuple[str, str, int | None]) -> None:
        host = self._hosts.pop(key, None)
        if host is not None:
            host.close()

    def _host(self, address: Address) -> _Host:
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            # Connections belong to the loop that opened them, which may have ended.
            self._loop, self._hosts = loop, {}
        host = self._hosts.get(address[:3])
        if host is None:
            if address.scheme == "https" and self.ssl_context is None:
                self.ssl_context = trusting(self.ca_certs)
            host = self._hosts[address[:3]] = _Host(address, self.max_connections, self.ssl_context)
        return host


class _Host:
    """The connections to one host, and the turns to use one of them."""

    def __init__(self, address: Address, limit: int, ssl_context: ssl.SSLContext | None) -> None:
        self._address = address
        self._ssl_context = ssl_context if address.scheme == "https" else None
        self._idle: deque[_Connection] = deque()
        self._closed = False
        self.turns = asyncio.Semaphore(limit)

    async def exchange(
        self, head: bytes, body: bytes, patience: Patience, connect_timeout: float | None
    ) -> Answer:
        connection = self._kept() or await self._opened(patience, connect_timeout)
        answer = None
        try:
            answer = await connection.exchange(head, body, patience)
        finally:
            if answer is not None and answer.keep and not self._closed:
                self._idle.append(connection)
            else:
                connection.close()
        return answer

    def close(self) -> None:
        self._closed = True
        while self._idle:
            self._idle.pop().close()

    def _kept(self) -> _Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if not connection.over:
                return connection
        return None

    async def _opened(self, patience: Patience, connect_timeout: float | None) -> _Connection:
        left = patience.left()
        timeout = left if connect_timeout is None else min(left, connect_timeout)
        scheme, host, port, *_ = self._address
        opening = asyncio.get_running_loop().create_connection(
            _Connection, host, port or (443 if scheme == "https" else 80), ssl=self._ssl_context
        )
        _, connection = await asyncio.wait_for(opening, timeout)
        return connection


class _Connection(asyncio.Protocol):
    """One connection; `over` once nothing more can be asked on it."""

    def __init__(self) -> None:
        self.over = False
        self._transport: Any = None
        self._reading: Reading[Answer] | None = None
        self._answer: asyncio.Future[Answer]
        self._heard = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        # Nothing is expected on an idle connection: bytes or an end mean that it is over.
        if self._reading is None:
            self.close()
        else:
            self._heard = time.monotonic()
            self._read(data)

    def eof_received(self) -> None:
        self.over = True
        self._read(b"")

    def connection_lost(self, exc: Exception | None) -> None:
        self.over = True
        if self._reading is not None and exc is not None:
            self._end(exc)
        self._read(b"")

    def close(self) -> None:
        self.over = True
        self._transport.close()

    async def exchange(self, head: bytes, body: bytes, patience: Patience) -> Answer:
        """Send a request and read its answer; raises `OSError`, `BadResponse` or on timeout."""
        if self.over:  # between its opening and this, where nobody was reading
            raise ConnectionCut("the service closed it before the request was sent")
        self._answer = asyncio.get_running_loop().create_future()
        self._reading = read_answer()
        next(self._reading)
        self._transport.write(head + body if len(body) < 65536 else head)
        if len(body) >= 65536:
            self._transport.write(body)
        self._heard = time.monotonic()
        try:
            while not self._answer.done():
                wait = patience.left()
                if patience.silence is not None:
                    quiet = self._heard + patience.silence - time.monotonic()
                    if quiet <= 0:
                        raise _Timeout
                    wait = min(wait, quiet)
                await asyncio.wait([self._answer], timeout=wait)
            return self._answer.result()
        finally:
            self._reading = None
            self._answer.cancel()

    def _read(self, data: bytes) -> None:
        if self._reading is None:
            return
        try:
            self._reading.send(data)
            if not data:
                raise ConnectionCut("the service closed it before the answer was complete")
        except StopIteration as end:
            self._reading = None
            if not self._answer.done():
                self._answer.set_result(end.value._replace(keep=end.value.keep and not self.over))
        except (PredictException, OSError) as error:
            self._end(error)

    def _end(self, error: Exception) -> None:
        self._reading = None
        if not self._answer.done():
            self._answer.set_exception(error)


def _as_socket_says(error: Exception) -> Exception:
    """The error that a socket would have raised: sentences and kinds are made from these."""
    if isinstance(error, (asyncio.TimeoutError, TimeoutError)):
        import socket

        return socket.timeout("timed out")  # noqa: UP041 - another class before Python 3.10
    return error
