"""The listeners of an engine: HTTP, and gRPC on the same port, its own port or a Unix socket."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from eas_processor.app.models.reload import Reloads
from eas_processor.app.models.server import Models
from eas_processor.contracts.settings import EngineSettings, GrpcSettings
from eas_processor.errors import StartError
from eas_processor.frontends.grpc.first_bytes import Either, GrpcAlone
from eas_processor.frontends.grpc.health import (
    Serves,
    health_methods,
    health_of_models,
    health_of_server,
)
from eas_processor.frontends.grpc.metadata import metadata_methods
from eas_processor.frontends.grpc.model_service import model_service_methods
from eas_processor.frontends.grpc.open_streams import OpenStreams
from eas_processor.frontends.grpc.profiler import profiler_methods
from eas_processor.frontends.grpc.reflection.service import reflection_methods
from eas_processor.frontends.grpc.routes import NAME as GRPC
from eas_processor.frontends.grpc.routes import GrpcServices
from eas_processor.frontends.http.connection import HttpConnection
from eas_processor.frontends.http.server import HttpServer
from eas_processor.frontends.router import AnyPathRouter, Router
from eas_processor.frontends.tfs_counters import TfsCounters
from eas_processor.frontends.tfs_rest.routes import TfsRoutes
from eas_processor.serving.budget import Budget
from eas_processor.serving.registry import Registry

# A client that offers both gets HTTP/1.1: over HTTP/2 there are only the methods of gRPC.
_BOTH = ("http/1.1", "h2")

_HEALTH_NAMES = ("ModelService", "PredictionService")
"""The names of TensorFlow Serving's services in its health service, which have no package."""


class Listeners:
    """
    The servers of an engine, with their routes and methods.

    `http` is the HTTP server. It does not listen if the settings have no port for it. All servers
    share one budget and one limit of connections.
    """

    def __init__(self, settings: EngineSettings, registry: Registry, budget: Budget) -> None:
        self._settings = settings
        counters = TfsCounters()
        self.tfs = TfsRoutes(registry, cors=settings.cors, counters=counters)
        kind = AnyPathRouter if settings.any_path else Router
        self.router = kind(registry, settings.metrics_token, self.tfs, settings.monitoring_path)
        self.services = GrpcServices(
            registry, counters, as_content=settings.grpc is not None and settings.grpc.as_content
        )
        both = settings.grpc is not None and settings.grpc.beside_http
        speaks = Either(self.services, lambda: registry.wants(GRPC)) if both else HttpConnection
        alpn = _BOTH if both else ("http/1.1",)
        self.http = HttpServer(settings, self.router, budget, speaks=speaks, alpn=alpn)
        self._grpc: list[HttpServer] = []
        self._open_streams = OpenStreams()
        if settings.grpc is not None:
            self._grpc = [*self._own_servers(settings.grpc)]
            self.services.add(metadata_methods(self.services.models))
            self.services.add(reflection_methods(self.services.served, self._open_streams))
            self.services.add(model_service_methods(self.services.models, None))
            self._tell_health(health_of_models(registry, self.services.models))
            if settings.grpc.profiler:
                self.services.add(profiler_methods(registry))

    def _tell_health(self, serves: Serves) -> None:
        if self._settings.grpc is not None and self._settings.grpc.health:
            self.services.add(health_methods(serves, self._open_streams))

    def _own_servers(self, grpc: GrpcSettings) -> list[HttpServer]:
        """Return the servers that speak gRPC alone."""
        servers = []
        own = replace(
            self._settings, port_option="--port", tls_cert=None, access_log=0.0, traces=""
        )
        if grpc.port is not None:
            servers.append(self._own(replace(own, port=grpc.port), grpc, ""))
        if grpc.socket_path:
            servers.append(self._own(own, grpc, grpc.socket_path))
        return servers

    def _own(self, settings: EngineSettings, grpc: GrpcSettings, path: str) -> HttpServer:
        return HttpServer(
            settings,
            self.router,
            shares_with=self.http,
            speaks=GrpcAlone(self.services),
            path=path,
            context=None if path else grpc.context,
        )

    @property
    def all(self) -> list[HttpServer]:
        """The servers that listen, those of gRPC first."""
        return [*self._grpc, *([self.http] if self._settings.listens_for_http else [])]

    def follow(self, models: Models) -> None:
        """Report the state of `models` over gRPC, and let clients change their configuration."""
        reload = Reloads(models, self.tfs.metrics)
        self.services.add(model_service_methods(self.services.models, reload))
        self._tell_health(health_of_server(_HEALTH_NAMES))

    def bind(self) -> str:
        """Bind every address, and return the URL of HTTP, or the address of gRPC without HTTP."""
        addresses = []
        for server in self.all:
            try:
                addresses.append(server.bind())
            except StartError as error:
                if server is self.http:
                    raise
                raise StartError(f"Failed to BuildAndStart gRPC server: {error}") from error
        return addresses[-1]

    async def listen(self) -> None:
        """Accept connections. gRPC comes first, because programs wait for the REST port."""
        for server in self.all:
            await server.listen()
        self.http.start_clock()

    async def drain(self, grace: float, moment: float) -> None:
        """Answer accepted requests, then close all connections, after `grace` seconds at most."""
        await asyncio.gather(*(each.drain(grace, moment) for each in self.all))

    def limit_connections(self, most: int) -> None:
        """Limit the open connections of all servers together to `most`."""
        for server in {self.http, *self.all}:
            server.settings = replace(server.settings, max_connections=most)

    def close(self) -> None:
        """Close all listeners and connections."""
        for server in {self.http, *self.all}:
            server.close()
