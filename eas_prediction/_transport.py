"""
How a request reaches a host and its answer comes back.

`Transport` is the seam: `PredictClient(..., transport=...)` takes any other, such as the one in
`eas_prediction.testing`.
"""

from __future__ import annotations

import io
import math
import os
import socket
import threading
import time
from abc import ABC, abstractmethod
from functools import lru_cache
from http.client import HTTPResponse
from typing import Any, Mapping

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, Timeout
from urllib3 import exceptions as http_errors
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.util import Url, parse_url

from .exception import (
    NO_ANSWER,
    ConnectionLost,
    InvalidRequest,
    PredictException,
    TimedOut,
    Untrusted,
)


class Transport(ABC):
    """Carries one request to one answer; called by many threads at once."""

    @abstractmethod
    def send(
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


class PooledTransport(Transport):
    """
    Keeps connections open, at most `max_connections` to a host; more requests than that wait.

    `ca_certs` is a file of certificates to trust instead of the system's.
    """

    def __init__(self, max_connections: int = 100, ca_certs: str | None = None) -> None:
        self.ca_certs = ca_certs
        self._hosts: dict[tuple[str, str, int | None], _Connections]
        self._lock: threading.Lock
        self._start_afresh()
        self.limit(max_connections)

    def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, timeout: float
    ) -> tuple[int, Mapping[str, str], bytes]:
        deadline = time.monotonic() + timeout
        scheme, host, port, target = _split(url)
        connections = self._host(scheme, host, port)
        if not connections.free.acquire(timeout=timeout):
            raise TimedOut(
                NO_ANSWER,
                f"{url}: all {self.max_connections} connections were busy for {timeout:.3g} s; "
                "allow more with set_max_connection_count, or use fewer threads",
            )
        try:
            answer = connections.pool.urlopen(
                method,
                target,
                body=body,
                headers=headers,
                retries=False,
                redirect=False,
                assert_same_host=False,
                timeout=Timeout(total=max(deadline - time.monotonic(), 0.001)),
            )
        except (http_errors.HTTPError, OSError) as error:
            raise _failure(error, url, timeout) from error
        finally:
            connections.free.release()
        return answer.status, answer.headers, answer.data

    def limit(self, max_connections: int) -> None:
        """Allow `max_connections` to one host from now on."""
        if max_connections < 1:
            raise InvalidRequest(f"at least 1 connection is needed, got {max_connections}")
        self.max_connections = max_connections
        self.close()

    def close(self) -> None:
        with self._lock:
            hosts, self._hosts = self._hosts, {}
        for connections in hosts.values():
            connections.pool.close()

    def _host(self, scheme: str, host: str, port: int | None) -> _Connections:
        # A forked child must not speak on its parent's connections, nor wait for its parent's lock.
        if self._pid != os.getpid():
            self._start_afresh()
        found = self._hosts.get((scheme, host, port))
        if found is not None:
            return found
        with self._lock:
            return self._hosts.setdefault(
                (scheme, host, port),
                _Connections(scheme, host, port, self.max_connections, self.ca_certs),
            )

    def _start_afresh(self) -> None:
        self._hosts = {}
        self._lock = threading.Lock()
        self._pid = os.getpid()


class _Connections:
    """The connections to one host, and the right to use one of them."""

    def __init__(
        self, scheme: str, host: str, port: int | None, limit: int, ca_certs: str | None
    ) -> None:
        self.pool: HTTPConnectionPool
        if scheme == "https":
            self.pool = _SecurePool(
                host, port, maxsize=limit, cert_reqs="CERT_REQUIRED", ca_certs=ca_certs
            )
        else:
            self.pool = _Pool(host, port, maxsize=limit)
        # The pool could wait as well, but not within the same deadline.
        self.free = threading.BoundedSemaphore(limit)


class _UntilDeadline(io.RawIOBase):
    """A socket with one timeout for all it receives; its own starts anew with every packet."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket) -> None:
        self._raw = raw
        self._sock = sock
        timeout = sock.gettimeout()
        self._deadline = time.monotonic() + (math.inf if timeout is None else timeout)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise socket.timeout("timed out")  # noqa: UP041 - another class before Python 3.10
        self._sock.settimeout(left)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(_UntilDeadline(self.fp.detach(), sock))


class _Connection(HTTPConnection):
    response_class = _Response

    def putrequest(self, *args: Any, **kwargs: Any) -> None:
        # urllib3 1.26 leaves a kept connection with what the answer before had left of its time.
        if self.sock is not None:
            self.sock.settimeout(self.timeout)
        super().putrequest(*args, **kwargs)


class _SecureConnection(HTTPSConnection, _Connection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


@lru_cache(maxsize=256)
def _split(url: str) -> tuple[str, str, int | None, str]:
    """Scheme, host, port and request target of `url`."""
    try:
        parts = parse_url(url)
    except http_errors.LocationParseError:
        parts = Url()
    if parts.scheme not in ("http", "https") or not parts.host:
        raise InvalidRequest(f"expected an address such as http://127.0.0.1:8080, got {url!r}")
    return parts.scheme, parts.host, parts.port, parts.request_uri


def _failure(error: Exception, url: str, timeout: float) -> PredictException:
    """What an error of urllib3 or of the socket means to the caller."""
    if isinstance(error, http_errors.SSLError):
        return Untrusted(NO_ANSWER, f"{url}: {error}")
    # In urllib3 1.26 a connection that was refused is a kind of connection that took too long.
    if isinstance(error, http_errors.NewConnectionError):
        return ConnectionLost(NO_ANSWER, f"{url}: could not connect: {error.__cause__ or error}")
    if isinstance(error, (http_errors.TimeoutError, socket.timeout)):
        return TimedOut(NO_ANSWER, f"{url}: no answer within {timeout:.3g} s (see set_timeout)")
    return ConnectionLost(NO_ANSWER, f"{url}: the connection was lost: {error}")
