"""Sends requests of asyncio programs to hosts and receives their answers."""

from __future__ import annotations

import asyncio
import ssl
import time
from abc import ABC, abstractmethod
from typing import Any, Iterable, Mapping

from ._address import Address, split_url
from ._checks import count, seconds
from ._http import Answer, ConnectionCut, Patience, Reading, read_answer, request_head
from ._kept import KEEP_ALIVE, MAX_AGE_S, MAX_IDLE_S, Connection, Idle
from ._transport import failure_of_connection, restore, settings_of, trusting
from .exception import NO_ANSWER, PredictException, TimedOut

_Timeout = asyncio.TimeoutError


class AsyncTransport(ABC):
    """Sends a request and returns its answer. Many tasks of one loop may call it at once."""

    @abstractmethod
    async def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, timeout: float
    ) -> tuple[int, Mapping[str, str], bytes]:
        """
        Return status, headers and body of the answer, for any status and without redirects.

        `timeout` is the limit for the whole exchange, in seconds. Raises `ConnectionLost` or
        `TimedOut` if no complete answer arrives.
        """

    async def send_once(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, timeout: float
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Do the same as `send`, for a request that must not reach the service twice."""
        return await self.send(method, url, headers, body, timeout)

    @abstractmethod
    def close(self) -> None:
        """Close the kept connections. A later `send` opens new ones."""

    def forget(self, address: str) -> None:  # noqa: B027 - most keep nothing
        """Close the connections to `http://HOST:PORT`. May be called from any thread."""


class AsyncPooledTransport(AsyncTransport):
    """
    Keeps connections open, at most `max_connections` to each host. More requests wait.

    The other parameters are those of `PooledTransport`.
    """

    def __init__(
        self,
        max_connections: int = 100,
        ca_certs: str | None = None,
        *,
        ssl_context: ssl.SSLContext | None = None,
        connect_timeout: float | None = None,
        read_timeout: float | None = None,
        max_idle: float | None = MAX_IDLE_S,
        max_age: float | None = MAX_AGE_S,
    ) -> None:
        self.ca_certs = ca_certs
        self.ssl_context = ssl_context
        self.connect_timeout = seconds("connect_timeout", connect_timeout)
        self.read_timeout = seconds("read_timeout", read_timeout)
        self.max_idle = seconds("max_idle", max_idle)
        self.max_age = seconds("max_age", max_age)
        self._made_context: ssl.SSLContext | None = None
        self._loop: asyncio.AbstractEventLoop | None
        self._hosts: dict[tuple[str, str, int | None], _Host]
        self._start_afresh()
        self.limit(max_connections)

    def __getstate__(self) -> dict[str, Any]:
        return settings_of(self, ("_hosts", "_loop", "_made_context"))

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        restore(self, state)
        self._made_context = None
        self._start_afresh()

    def _start_afresh(self) -> None:
        self._loop, self._hosts = None, {}

    async def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes,
        timeout: float,
        once: bool = False,
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
            answer = await host.exchange(head, body, patience, self.connect_timeout, once)
        except PredictException as error:
            error.message = f"{url}: {error.message}"
            raise
        except (OSError, _Timeout) as error:
            raise failure_of_connection(_as_socket_says(error), url, timeout, patience) from error
        finally:
            host.turns.release()
        return answer.status, answer.headers, answer.body

    async def send_once(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, timeout: float
    ) -> tuple[int, Mapping[str, str], bytes]:
        return await self.send(method, url, headers, body, timeout, once=True)

    def limit(self, max_connections: int) -> None:
        """Allow at most `max_connections` to each host from now on."""
        self.max_connections = count("max_connections", max_connections)
        self.close()

    def close(self) -> None:
        hosts, self._hosts = self._hosts, {}
        if self._loop is None or self._loop.is_closed():
            return  # a closed loop has closed its connections
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
            context = self.ssl_context or self._made_context
            if address.scheme == "https" and context is None:
                context = self._made_context = trusting(self.ca_certs)
            idle: Idle[_Connection] = Idle(self.max_idle, self.max_age)
            host = _Host(address, self.max_connections, context, idle)
            self._hosts[address[:3]] = host
        return host


class _Host:
    """The connections to one host, and the limit of their number."""

    def __init__(
        self,
        address: Address,
        limit: int,
        ssl_context: ssl.SSLContext | None,
        idle: Idle[_Connection],
    ) -> None:
        self._address = address
        self._ssl_context = ssl_context if address.scheme == "https" else None
        self._idle = idle
        self._closed = False
        self._unreached = False
        """Whether the last attempt to connect failed. The next one then gets half of the time."""
        self.turns = asyncio.Semaphore(limit)

    async def exchange(
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
        connection = kept or await self._opened(opening, connect_timeout)
        answer = None
        try:
            connection.ask(head, body)
            half = None if kept is None or once or not self._idle.doubtful else patience.half()
            if half is not None and await connection.stays_silent(half):
                # A host that is gone does not accept connections either. Half of the time is kept
                # for an attempt at another instance.
                opened = await self._opened(patience.halved(), connect_timeout)
                connection, answer = await self._race(connection, opened, head, body, patience)
            else:
                answer = await connection.answer(patience)
        except (OSError, _Timeout):
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
        self._closed = True
        self._idle.clear()

    async def _race(
        self,
        kept: _Connection,
        opened: _Connection,
        head: bytes,
        body: bytes,
        patience: Patience,
    ) -> tuple[_Connection, Answer]:
        """Send the request on a new connection too, and use the first of the two answers."""
        since, loser = kept.since, opened
        asked: dict[asyncio.Future[Answer], _Connection] = {}
        try:
            opened.ask(head, body)
            for each in (kept, opened):
                asked[asyncio.ensure_future(each.answer(patience))] = each
            first = await _first(asked)
            answer, winner = first.result(), asked[first]
            if winner is opened:
                self._idle.drop(since)
                loser = kept
            else:
                self._idle.trust()
            return winner, answer
        finally:
            for task in asked:
                task.cancel()
            loser.close()

    async def _opened(self, patience: Patience, connect_timeout: float | None) -> _Connection:
        left = patience.left()
        timeout = left if connect_timeout is None else min(left, connect_timeout)
        scheme, host, port, *_ = self._address
        opening = asyncio.get_running_loop().create_connection(
            _Connection, host, port or (443 if scheme == "https" else 80), ssl=self._ssl_context
        )
        self._unreached = True
        _, connection = await asyncio.wait_for(opening, timeout)
        self._unreached = False
        return connection


async def _first(tasks: Iterable[asyncio.Future[Answer]]) -> asyncio.Future[Answer]:
    """Return the first task that succeeds, or the last that fails."""
    waiting = set(tasks)
    while True:
        done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        answered = [each for each in done if each.exception() is None]
        if answered or not waiting:
            return (answered or list(done))[0]


class _Connection(asyncio.Protocol, Connection):
    """One connection; `over` is True once it cannot carry another request."""

    def __init__(self) -> None:
        Connection.__init__(self)
        self.over = False
        self._transport: Any = None
        self._reading: Reading[Answer] | None = None
        self._answer: asyncio.Future[Answer]
        self._asked = self._heard = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        sock = transport.get_extra_info("socket")
        if sock is not None:
            for option in KEEP_ALIVE:
                sock.setsockopt(*option)

    def data_received(self, data: bytes) -> None:
        # An idle connection should be silent. Bytes or an end mean that it cannot be reused.
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

    def is_over(self) -> bool:
        return self.over

    async def exchange(self, head: bytes, body: bytes, patience: Patience) -> Answer:
        """Send a request and read its answer. Raises `OSError`, `BadResponse` or a timeout."""
        self.ask(head, body)
        return await self.answer(patience)

    def ask(self, head: bytes, body: bytes) -> None:
        """Send a request. Raises `ConnectionCut`."""
        if self.over:  # the service has closed it since it was opened
            raise ConnectionCut("the service closed it before the request was sent")
        self._answer = asyncio.get_running_loop().create_future()
        self._reading = read_answer()
        next(self._reading)
        self._transport.write(head + body if len(body) < 65536 else head)
        if len(body) >= 65536:
            self._transport.write(body)
        self._asked = self._heard = time.monotonic()

    async def stays_silent(self, seconds: float) -> bool:
        """Wait up to `seconds` for the answer; return whether no byte of it has arrived."""
        await asyncio.wait([self._answer], timeout=seconds)
        return self._heard == self._asked and not self._answer.done()

    async def answer(self, patience: Patience) -> Answer:
        """Return the answer to the request. Raises as `exchange` does."""
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
    """Return the error that a blocking socket would raise, for `failure_of_connection`."""
    if isinstance(error, (asyncio.TimeoutError, TimeoutError)):
        import socket

        return socket.timeout("timed out")  # noqa: UP041 - another class before Python 3.10
    return error
