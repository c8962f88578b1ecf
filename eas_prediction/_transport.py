"""
Sends requests to hosts and receives their answers.

`Transport` is the interface. `PredictClient(..., transport=...)` accepts any implementation, such
as the one in `eas_prediction.testing`.
"""

from __future__ import annotations

import os
import queue
import socket
import ssl
import threading
import time
from abc import ABC, abstractmethod
from typing import Any, Collection, Mapping, NoReturn

from urllib3 import exceptions as http_errors
from urllib3.util.ssl_ import create_urllib3_context

from ._address import Address, proxy_of, split_url
from ._checks import WrongType, count, seconds
from ._connections import BlockingConnection, Host
from ._http import Patience, request_head
from ._kept import MAX_AGE_S, MAX_IDLE_S, Idle
from .exception import (
    NO_ANSWER,
    ConnectionLost,
    InvalidRequest,
    PredictException,
    TimedOut,
    Untrusted,
)


class Transport(ABC):
    """Sends a request and returns its answer. Many threads may call it at the same time."""

    @abstractmethod
    def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, timeout: float
    ) -> tuple[int, Mapping[str, str], bytes]:
        """
        Return status, headers and body of the answer, for any status and without redirects.

        `timeout` is the limit for the whole exchange, in seconds. Raises `ConnectionLost` or
        `TimedOut` if no complete answer arrives.
        """

    def send_once(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, timeout: float
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Do the same as `send`, for a request that must not reach the service twice."""
        return self.send(method, url, headers, body, timeout)

    @abstractmethod
    def close(self) -> None:
        """Close the kept connections. A later `send` opens new ones."""

    def forget(self, address: str) -> None:  # noqa: B027 - most keep nothing
        """Close the connections to `http://HOST:PORT` once their requests are answered."""


class PooledTransport(Transport):
    """
    Keeps connections open, at most `max_connections` to each host. More requests wait.

    `ca_certs` is a file of certificates to trust in place of the system's. `ssl_context` replaces
    all TLS settings, including client certificates. `proxy` is the URL of an HTTP proxy, with
    credentials as in `http://user:password@host:port`; environment variables for proxies are
    ignored.

    `connect_timeout` limits the opening of a connection, and `read_timeout` the silence before and
    within an answer. Both are in seconds, within the timeout of the whole request.

    A connection is reused until it has been idle for `max_idle` seconds or is `max_age` seconds
    old; None means no limit. A connection that is silent for half of a request's time may be dead.
    The request is then sent on a new connection as well, and the first answer is used.
    """

    def __init__(
        self,
        max_connections: int = 100,
        ca_certs: str | None = None,
        *,
        ssl_context: ssl.SSLContext | None = None,
        proxy: str | None = None,
        connect_timeout: float | None = None,
        read_timeout: float | None = None,
        max_idle: float | None = MAX_IDLE_S,
        max_age: float | None = MAX_AGE_S,
    ) -> None:
        self.ca_certs = ca_certs
        self.ssl_context = ssl_context
        self.proxy = None if proxy is None else proxy_of(proxy)
        self.connect_timeout = seconds("connect_timeout", connect_timeout)
        self.read_timeout = seconds("read_timeout", read_timeout)
        self.max_idle = seconds("max_idle", max_idle)
        self.max_age = seconds("max_age", max_age)
        self._made_context: ssl.SSLContext | None = None
        self._hosts: dict[tuple[str, str, int | None], Host]
        self._lock: threading.Lock
        self._start_afresh()
        self.limit(max_connections)

    def send(
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
        host = self._host(address)
        target = address.target
        if host.forwards and self.proxy is not None:
            target, headers = url, {**headers, **self.proxy.headers}
        head = request_head(method, target, address.authority, headers, len(body))
        try:
            host.turns.get(timeout=timeout)
        except queue.Empty:
            raise TimedOut(
                NO_ANSWER,
                f"{url}: all {self.max_connections} connections were busy for {timeout:.3g} s; "
                "allow more with set_max_connection_count, or use fewer threads",
            ) from None
        try:
            answer = host.exchange(head, body, patience, self.connect_timeout, once)
        except PredictException as error:
            error.message = f"{url}: {error.message}"
            raise
        except (http_errors.HTTPError, OSError) as error:
            raise failure_of_connection(error, url, timeout, patience) from error
        finally:
            host.turns.put(None)
        return answer.status, answer.headers, answer.body

    def send_once(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, timeout: float
    ) -> tuple[int, Mapping[str, str], bytes]:
        return self.send(method, url, headers, body, timeout, once=True)

    def limit(self, max_connections: int) -> None:
        """Allow at most `max_connections` to each host from now on."""
        self.max_connections = count("max_connections", max_connections)
        self.close()

    def close(self) -> None:
        with self._lock:
            hosts, self._hosts = self._hosts, {}
        for host in hosts.values():
            host.close()

    def forget(self, address: str) -> None:
        host = self._hosts.pop(split_url(address)[:3], None)
        if host is not None:
            host.close()

    def _host(self, address: Address) -> Host:
        # A forked child must not use its parent's connections or wait for its parent's lock.
        if self._pid != os.getpid():
            self._start_afresh()
        key = address[:3]
        found = self._hosts.get(key)
        if found is not None:
            return found
        with self._lock:
            context = self.ssl_context or self._made_context
            if address.scheme == "https" and context is None:
                context = self._made_context = trusting(self.ca_certs)
            idle: Idle[BlockingConnection] = Idle(self.max_idle, self.max_age)
            host = Host(address, self.max_connections, context, self.proxy, idle)
            return self._hosts.setdefault(key, host)

    def __getstate__(self) -> dict[str, Any]:
        return settings_of(self, ("_hosts", "_lock", "_made_context", "_pid"))

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        restore(self, state)
        self._made_context = None
        self._start_afresh()

    def _start_afresh(self) -> None:
        self._hosts = {}
        self._lock = threading.Lock()
        self._pid = os.getpid()


class _SharedContext:
    """Lets copies of a transport share its TLS context, and refuses to pickle it."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.context = context

    def __deepcopy__(self, memo: object) -> _SharedContext:
        return self

    def __reduce__(self) -> NoReturn:
        raise WrongType(
            "ssl_context: a client with an ssl_context cannot be pickled: give it the path of "
            "ca_certs instead, or set its transport in the process that uses it"
        )


def settings_of(transport: object, runtime: Collection[str]) -> dict[str, Any]:
    """Return the state for a copy of a transport: all attributes except those in `runtime`."""
    state = {name: value for name, value in vars(transport).items() if name not in runtime}
    if state["ssl_context"] is not None:
        state["ssl_context"] = _SharedContext(state["ssl_context"])
    return state


def restore(transport: object, state: Mapping[str, Any]) -> None:
    """Restore the state that `settings_of` returned."""
    vars(transport).update(state)
    shared = state["ssl_context"]
    vars(transport)["ssl_context"] = None if shared is None else shared.context


def trusting(ca_certs: str | None) -> ssl.SSLContext:
    """Return a TLS context as urllib3 makes it. Loading the certificates takes 10 ms."""
    context = create_urllib3_context(cert_reqs=ssl.CERT_REQUIRED)
    if ca_certs is None:
        context.load_default_certs()
        return context
    try:
        context.load_verify_locations(ca_certs)
    except OSError as error:
        raise InvalidRequest(
            f"ca_certs: cannot read certificates from {ca_certs!r}: {error}"
        ) from None
    return context


def failure_of_connection(
    error: Exception, url: str, timeout: float, patience: Patience
) -> PredictException:
    """Convert an error of urllib3 or of a socket to a `PredictException`."""
    if isinstance(error, (http_errors.SSLError, ssl.SSLError)) and "timed out" not in str(error):
        return Untrusted(NO_ANSWER, f"{url}: {error}")
    # In urllib3 1.26, the error of a refused connection is a subclass of the timeout error.
    if isinstance(error, http_errors.NewConnectionError):
        return ConnectionLost(NO_ANSWER, f"{url}: could not connect: {error.__cause__ or error}")
    if isinstance(error, (http_errors.TimeoutError, socket.timeout)) or "timed out" in str(error):
        failure = TimedOut(NO_ANSWER, f"{url}: no answer within {timeout:.3g} s (see set_timeout)")
        if patience.deadline - time.monotonic() > 0.001:
            # The connect or the read timeout has passed, not the timeout of the whole request.
            what = "answer" if isinstance(error, socket.timeout) else "connection"
            failure.message = (
                f"{url}: no {what} within its timeout (see set_connect_timeout, set_read_timeout)"
            )
            failure.transient = True
        return failure
    return ConnectionLost(NO_ANSWER, f"{url}: the connection was lost: {error}")
