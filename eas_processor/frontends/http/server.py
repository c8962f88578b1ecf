"""The listener: accepts connections, enforces time limits, and closes without losing requests."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import errno
import logging
import socket
import ssl
import struct
from collections import defaultdict
from collections.abc import Callable, Coroutine, Iterable, Sequence
from time import monotonic
from typing import Any, Protocol

from eas_processor.contracts.counters import EngineMetric
from eas_processor.contracts.settings import EngineSettings
from eas_processor.errors import StartError
from eas_processor.frontends.http.access_log import AccessLog
from eas_processor.frontends.http.connection import REFUSED_AT_ONCE, HttpConnection
from eas_processor.frontends.http.handshakes import Handshakes
from eas_processor.frontends.http.heads import Heads
from eas_processor.frontends.http.routes import Routes
from eas_processor.frontends.http.socket_path import (
    identity,
    leave_socket_path,
    take_socket_path,
)
from eas_processor.frontends.http.tls import Tls
from eas_processor.frontends.http.traces import Traces
from eas_processor.frontends.http.turns import Turns
from eas_processor.log_queue import dropped_records
from eas_processor.serving.background import end_tasks
from eas_processor.serving.budget import Budget

log = logging.getLogger("eas_processor.engine")

_BACKLOG = 4096
# From linux/socket.h and linux/bpf_common.h.
_SO_ATTACH_FILTER = 26
_BPF_RETURN = 0x06


class Connection(Protocol):
    """An open connection, as the server sees it."""

    def check_time(self, now: float) -> None:
        """Close it if it has waited too long for the client."""

    def close_if_idle(self, since: float) -> None:
        """Close it if no request has arrived since that time."""

    def abort(self) -> None:
        """Close it at once."""


class HttpServer:
    """
    One listening address, and the state that its connections share.

    Without `keep_alive` each connection takes one request. `speaks` makes the protocol object of
    a connection, and `alpn` names its protocols for TLS. With `path`, the address is a Unix socket.
    `context` is a TLS context that replaces the certificate of the settings. A server that
    `shares_with` another has the same budget, turns and connections; the other enforces the time
    limits.
    """

    def __init__(
        self,
        settings: EngineSettings,
        routes: Routes,
        budget: Budget | None = None,
        *,
        keep_alive: bool = True,
        speaks: Callable[[HttpServer], asyncio.Protocol] = HttpConnection,
        alpn: Sequence[str] = ("http/1.1",),
        path: str = "",
        context: ssl.SSLContext | None = None,
        shares_with: HttpServer | None = None,
    ) -> None:
        self.settings = settings
        self.routes = routes
        self.keep_alive = keep_alive
        self.heads = Heads()
        self.refused: defaultdict[int, int] = defaultdict(int)
        """Refusals before a service took the request, by status."""
        self.observers: list[AccessLog | Traces] = []
        """The objects whose `note` is called for each answer."""
        if settings.access_log:
            self.observers.append(AccessLog(settings.access_log))
        self._traces = Traces(settings.traces) if settings.traces else None
        if self._traces is not None:
            self.observers.append(self._traces)
        self.budget = budget or Budget(settings.max_buffered, settings.max_body)
        self.turns = Turns()
        self.connections: dict[Connection, None] = {}
        if shares_with is not None:
            self.refused, self.budget = shares_with.refused, shares_with.budget
            self.turns, self.connections = shares_with.turns, shares_with.connections
        self._shares_with = shares_with
        self._speaks = speaks
        self._path = path
        self._path_of_ours: tuple[int, int] | None = None
        self.draining = False
        self._socket: socket.socket | None = None
        self._server: asyncio.Server | None = None
        self._handshakes: Handshakes | None = None
        """Accepts connections in place of `_server` if there is TLS."""
        self.also_shown: list[Callable[[], Iterable[EngineMetric]]] = []
        """Functions that return more metrics of the engine for `/metrics`."""
        self.tls = Tls(settings.tls_cert, settings.tls_key, alpn) if settings.tls_cert else None
        self._context = self.tls.context if self.tls is not None else context
        if self.tls is not None:
            self.also_shown.append(self.tls.metrics)
        self._clock: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def metrics(self) -> list[EngineMetric]:
        """Return the metrics of this server, and those of `also_shown`."""
        own = [
            EngineMetric("connections", "gauge", "Open connections.", len(self.connections)),
            EngineMetric(
                "answers_dropped_total",
                "counter",
                "Connections closed in mid-answer because the client did not read.",
                self.budget.dropped,
            ),
            EngineMetric(
                "log_dropped_total",
                "counter",
                "Log records dropped because the log's reader is too slow.",
                dropped_records(),
            ),
        ]
        return own + [metric for shown in self.also_shown for metric in shown()]

    def spawn(self, job: Coroutine[Any, Any, None]) -> None:
        """Run the coroutine of a slow route. `end_tasks` cancels it."""
        task = asyncio.create_task(job)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def end_tasks(self) -> None:
        """Cancel the coroutines of slow routes."""
        await end_tasks(self._tasks)

    def bind(self) -> str:
        """Bind the address, so that a start fails at once if it is in use; return its URL."""
        if self._path:
            self._socket = take_socket_path(self._path)
            self._path_of_ours = identity(self._path)
            return f"unix:{self._path}"
        host, port = self.settings.host, self.settings.port
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind((host, port))
        except OSError as error:
            raise self._taken(error) from error
        shown = f"[{host}]" if family == socket.AF_INET6 else host
        scheme = "https" if self._context else "http"
        return f"{scheme}://{shown}:{self._socket.getsockname()[1]}"

    async def listen(self) -> None:
        """Accept connections from now on."""
        assert self._socket is not None
        try:
            # Two engines that start together can both bind. The second `listen` fails, which uvloop
            # would not report.
            self._socket.listen(_BACKLOG)
        except OSError as error:
            raise self._taken(error) from error
        if self._path:
            self._server = await asyncio.get_running_loop().create_unix_server(
                self._protocol, sock=self._socket, backlog=_BACKLOG, ssl=self._context
            )
        elif self._context is None:
            self._server = await asyncio.get_running_loop().create_server(
                self._protocol, sock=self._socket, backlog=_BACKLOG
            )
        else:
            self._socket.setblocking(False)
            self._handshakes = Handshakes(
                self._socket,
                self._context,
                self.settings.head_timeout,
                self._protocol,
                self._is_full,
            )
            self._handshakes.listen()
        if self._shares_with is None:
            self.start_clock()

    def start_clock(self) -> None:
        """Enforce the time limits of connections from now on."""
        if self._clock is not None:
            return
        self._clock = asyncio.create_task(self._watch_times())

    async def drain(self, grace: float, moment: float) -> None:
        """Answer accepted requests, then close every connection, at the latest after `grace` s."""
        self.draining = True
        await asyncio.sleep(moment)
        # Connections that wait in the backlog would be reset when the listener closes.
        backlog = self._take_backlog()
        self._stop_listening()
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._finish(backlog, moment), grace)

    def close(self) -> None:
        """Close everything that is still open."""
        if self._clock is not None:
            self._clock.cancel()
        self._stop_listening()
        if self._handshakes is not None:
            self._handshakes.end()
        for connection in list(self.connections):
            connection.abort()
        if self._traces is not None:
            self._traces.close()

    def _stop_listening(self) -> None:
        if self._handshakes is not None:
            self._handshakes.stop()
        if self._server is not None:
            self._server.close()
        elif self._socket is not None:
            self._socket.close()
        if self._path:
            leave_socket_path(self._path, self._path_of_ours)

    def _protocol(self) -> asyncio.Protocol:
        return self._speaks(self)

    def _is_full(self) -> bool:
        """Whether connections and handshakes use all the descriptors that they may."""
        assert self._handshakes is not None
        taken = len(self.connections) + len(self._handshakes)
        return taken >= self.settings.max_connections + REFUSED_AT_ONCE

    async def _take(self, accepted: socket.socket) -> None:
        if self._handshakes is not None:
            self._handshakes.take(accepted)
            return
        with contextlib.suppress(OSError):
            await asyncio.get_running_loop().connect_accepted_socket(self._protocol, accepted)

    def _taken(self, error: OSError) -> StartError:
        host, port = self.settings.host, self.settings.port
        option = (
            self.settings.port_option
            if error.errno in (errno.EADDRINUSE, errno.EACCES)
            else "--host"
        )
        return StartError(
            f"cannot listen on {host}:{port}: {error.strerror}; choose another with {option}"
        )

    def _take_backlog(self) -> list[socket.socket]:
        assert self._socket is not None
        _drop_arrivals(self._socket)
        accepted = []
        # It usually ends because the backlog is empty, and sometimes at the limit of open files.
        with contextlib.suppress(OSError):
            while True:
                accepted.append(self._socket.accept()[0])
        return accepted

    async def _finish(self, backlog: list[socket.socket], moment: float) -> None:
        """Serve the connections of the backlog, and wait until every connection is closed."""
        await asyncio.gather(*(self._take(each) for each in backlog))
        if self._handshakes is not None:
            await self._handshakes.finish()
        while self.connections:
            now = monotonic()
            for connection in list(self.connections):
                connection.close_if_idle(now - moment)
            await asyncio.sleep(0.01)

    async def _watch_times(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            now = monotonic()
            for connection in list(self.connections):
                try:
                    connection.check_time(now)
                except Exception:
                    # One connection's failure must not stop the checks of the others.
                    log.exception("checking the time limits of a connection failed; it is closed")
                    connection.abort()


def _drop_arrivals(listener: socket.socket) -> None:
    """
    Let no client connect any more, without closing the listener.

    A client that connects between the last `accept` and the closing would be reset. This happened
    in 3 of 100 shutdowns under load. The kernel applies this filter with one instruction, "take 0
    bytes", to arriving packets. A client that connects now retries after a second and is refused.
    """
    take_nothing = ctypes.create_string_buffer(struct.pack("HBBI", _BPF_RETURN, 0, 0, 0))
    program = struct.pack("HP", 1, ctypes.addressof(take_nothing))
    with contextlib.suppress(OSError):  # not every sandbox has filters
        listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)
