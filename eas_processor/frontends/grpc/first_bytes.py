"""One port for HTTP/1.1 and gRPC. The first bytes, or the protocol chosen in TLS, decide."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, cast

from eas_processor.frontends.grpc.http2.connection import Http2Connection
from eas_processor.frontends.grpc.http2.frames import PREFACE
from eas_processor.frontends.grpc.http2.head import Heads
from eas_processor.frontends.grpc.http2.stream import GrpcRoutes
from eas_processor.frontends.http.connection import REFUSED_AT_ONCE, HttpConnection

if TYPE_CHECKING:
    from eas_processor.frontends.http.server import HttpServer

_TELLING = 4
"""The number of bytes that decide: no method of HTTP/1.1 begins with `PRI `."""


class GrpcAlone:
    """Makes the protocol objects of a port for gRPC only."""

    def __init__(self, routes: GrpcRoutes) -> None:
        self._routes = routes
        self._heads = Heads()

    def __call__(self, server: HttpServer) -> Http2Connection:
        return Http2Connection(server, self._routes, self._heads)


class Either:
    """
    Makes the protocol objects of a port for HTTP/1.1, and for gRPC while `is_wanted()`.

    Looking at the first bytes takes 5 us for each connection.
    """

    def __init__(self, routes: GrpcRoutes, is_wanted: Callable[[], bool] = lambda: True) -> None:
        self._grpc = GrpcAlone(routes)
        self._is_wanted = is_wanted

    def __call__(self, server: HttpServer) -> FirstBytes | HttpConnection:
        return FirstBytes(server, self._grpc) if self._is_wanted() else HttpConnection(server)


class FirstBytes(asyncio.Protocol):
    """Waits for the first bytes, and passes the connection to the protocol that they mean."""

    def __init__(self, server: HttpServer, grpc: Callable[[HttpServer], Http2Connection]) -> None:
        self._server = server
        self._grpc = grpc
        self._held = b""
        self._since = monotonic()
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._since = monotonic()
        tls = transport.get_extra_info("ssl_object")
        chosen = tls.selected_alpn_protocol() if tls is not None else None
        if chosen == "h2":
            self._become(self._grpc(self._server))
        elif chosen is not None:
            self._become(HttpConnection(self._server))
        else:
            connections = self._server.connections
            connections[self] = None
            if len(connections) > self._server.settings.max_connections + REFUSED_AT_ONCE:
                self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.connections.pop(self, None)

    def data_received(self, data: bytes) -> None:
        held = self._held = self._held + data
        if PREFACE.startswith(held[:_TELLING]):
            if len(held) >= _TELLING:
                self._become(self._grpc(self._server))
        else:
            self._become(HttpConnection(self._server))

    def _become(self, protocol: asyncio.Protocol) -> None:
        self._server.connections.pop(self, None)
        self._transport.set_protocol(protocol)
        protocol.connection_made(self._transport)
        if self._held and not self._transport.is_closing():
            protocol.data_received(self._held)

    def check_time(self, now: float) -> None:
        """Close a connection that has not sent enough bytes in time."""
        settings = self._server.settings
        patience = settings.head_timeout if self._held else settings.idle_timeout
        if now - self._since > patience:
            self._transport.close()

    def close_if_idle(self, since: float) -> None:
        """Close the connection if it was opened before that time."""
        if self._since <= since:
            self._transport.close()

    def abort(self) -> None:
        """Close the connection."""
        self._transport.abort()
