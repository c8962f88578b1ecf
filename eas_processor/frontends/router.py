"""Finds the route of a request: one of a protocol, or one of the engine's own."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from eas_processor.frontends.asked import Asked
from eas_processor.frontends.discovery import asked_for, own_peer, upstreams
from eas_processor.frontends.eas.routes import PREFIX, AnyPath, EasRoutes, Unknown
from eas_processor.frontends.http.checks import shown
from eas_processor.frontends.http.head import JSON_TYPE, Head
from eas_processor.frontends.http.heads import TEXT
from eas_processor.frontends.http.refusals import HttpRefusal
from eas_processor.frontends.http.request import HttpRequest, Reply
from eas_processor.frontends.http.routes import Handler, Refused, Route, SlowRoute
from eas_processor.frontends.metrics import (
    TEXT_FORMAT,
    ServiceSample,
    as_text,
    exposition,
    in_slices,
)
from eas_processor.frontends.tfs_rest.paths import PREFIX as TFS_PREFIX
from eas_processor.frontends.tfs_rest.routes import TfsRoutes
from eas_processor.serving.registry import Entry, Registry
from eas_processor.serving.tokens import Tokens

if TYPE_CHECKING:
    from eas_processor.frontends.http.server import HttpServer

_METRICS_TOKEN = (
    "with several services, /metrics needs a token: send the token of a service, or the one in the "
    "file metrics-token of EAS_HOME, as `Authorization: Bearer <token>`"
)


class Router:
    """
    Finds the route of a request: a service by its name, or one of the engine's own routes.

    The engine's own routes take no body. If there are several services, their names are secret:
    an own route describes a service only to clients with its token, and `/metrics` describes all
    services only to clients with the engine's metrics token. `monitoring` is the path of
    TensorFlow Serving's metrics page, or empty.
    """

    refuses_in_json = False
    _eas_routes = EasRoutes

    def __init__(
        self,
        registry: Registry,
        metrics_token: str = "",
        tfs: TfsRoutes | None = None,
        monitoring: str = "",
    ) -> None:
        self._registry = registry
        self._eas = self._eas_routes(registry)
        self._tfs = tfs or TfsRoutes(registry)
        self._metrics_tokens = Tokens(metrics_token)
        # Only one page is rendered at a time: each takes a slice of every turn of the event loop.
        self._rendering = asyncio.Lock()
        self._handlers: dict[bytes, Callable[[Asked], Handler]] = {
            b"/healthz": lambda _: _alive,
            b"/readyz": lambda asked: partial(self._ready, asked),
            b"/metrics": lambda asked: partial(self._metrics, asked),
        }
        if monitoring:
            own = monitoring == "/metrics"
            self._handlers[monitoring.encode()] = lambda _: partial(self._monitoring, own)

    def find(self, head: Head, headers: Mapping[bytes, bytes]) -> Route:
        """Return the route for a head, which may be one that refuses."""
        path = head.path
        if path.startswith(PREFIX):
            return self._eas.find(head, headers)
        if path.startswith(TFS_PREFIX):
            return self._tfs.find(head, headers)
        if (own := self._own(head, headers)) is not None:
            return own
        sentence = f"there is no route {shown(path)}; services are at /api/predict/NAME"
        return Refused(head, HttpRefusal(sentence, 404))

    def _own(self, head: Head, headers: Mapping[bytes, bytes]) -> Route | None:
        """Return the engine's own route for a head, or None."""
        asked = Asked(head, headers)
        if (handler := self._handlers.get(head.path)) is not None:
            return SlowRoute(head, handler(asked))
        if asked_for(head.path) is not None:
            return SlowRoute(head, partial(self._upstreams, asked))
        return None

    async def metrics_text(self, server: HttpServer) -> bytes:
        """Return the metrics of all services and of the engine."""
        return await self._render(self._exposition(server, list(self._registry)))

    def _ready(self, asked: Asked, request: HttpRequest) -> Reply:
        if request.connection.server.draining:
            return Reply(503, TEXT, [b"shutting down"])
        entries = list(self._registry)
        if asked.names("service"):
            return self._ready_one(asked)
        if len(entries) < 2:
            ready = any(each.ready for each in entries)
            return _readiness(ready, b"ready" if ready else b"no instance is ready")
        count = sum(each.ready for each in entries)
        ready = count == len(entries) if asked.names("all") else count > 0
        ready = ready and all(each.tried for each in entries)
        return _readiness(ready, b"%d of %d services are ready" % (count, len(entries)))

    def _ready_one(self, asked: Asked) -> Reply:
        name = asked.value("service").encode()
        refused = asked.refusal_of(self._registry.tokens_of(name))
        if self._registry.names_are_secret and refused:
            raise HttpRefusal("expected the token of this service in `Authorization`", 401)
        if (entry := self._registry.find(name)) is None:
            raise HttpRefusal("there is no such service", 404)
        if entry.ready:
            return _readiness(True, b"ready")
        if refused or entry.latest is not None:
            return _readiness(False, b"no instance is ready")
        # This sentence may name files and models, so it needs the token.
        return _readiness(False, str(entry.not_ready()).encode())

    def _metrics(self, asked: Asked, request: HttpRequest) -> Reply | Coroutine[Any, Any, Reply]:
        shown_ones = entries = list(self._registry)
        if self._registry.names_are_secret and not asked.brings(self._metrics_tokens):
            shown_ones = [each for each in entries if asked.brings(each.tokens)]
            if not shown_ones:
                raise HttpRefusal(_METRICS_TOKEN, 401)
        lines = self._exposition(request.connection.server, shown_ones)
        if len(shown_ones) > 1:
            return self._in_slices(lines)
        return Reply(200, TEXT_FORMAT, [as_text(lines)])

    def _monitoring(self, own: bool, request: HttpRequest) -> Coroutine[Any, Any, Reply]:
        """Answer with TensorFlow Serving's page, followed by the engine's `own` metrics."""
        lines = self._tfs.metrics()
        if own:
            ours = self._exposition(request.connection.server, list(self._registry))
            lines = itertools.chain(lines, ours)
        return self._in_slices(lines)

    async def _in_slices(self, lines: Iterable[str]) -> Reply:
        return Reply(200, TEXT_FORMAT, [await self._render(lines)])

    async def _render(self, lines: Iterable[str]) -> bytes:
        async with self._rendering:
            return await in_slices(lines)

    def _exposition(self, server: HttpServer, entries: list[Entry]) -> Iterator[str]:
        samples = [
            ServiceSample(
                entry.metric_labels(number), each.metrics, each.admission.gauges(), each.states()
            )
            for entry in entries
            for number, each in entry.versions.items()
        ]
        several = len(self._registry) > 1
        up = {each.name: each.ready for each in entries} if several else None
        return exposition(samples, dict(server.refused), server.metrics(), up)

    def _upstreams(self, asked: Asked, request: HttpRequest) -> Reply:
        server = request.connection.server
        own, everybody = own_peer(request.connection.sockname()), server.settings.peers
        entry = self._eas.named(asked_for(request.head.path) or b"")
        tokens, name = self._eas.tokens_of(entry), entry.key.decode(errors="replace")
        if self._registry.names_are_secret and not asked.has_token_of(tokens, name):
            # The vendor's clients send no token here. They get the address of this engine under
            # any name, which does not tell whether there is such a service.
            serving = not server.draining
            return Reply(200, JSON_TYPE, [upstreams(name, own, everybody, serving=serving)])
        if isinstance(entry, Unknown):
            return Reply(404, TEXT, [f"there is no service {shown(entry.asked)}".encode()])
        serving = entry.ready and not server.draining
        peers = [*entry.peers, *everybody]
        return Reply(200, JSON_TYPE, [upstreams(entry.name, own, peers, serving=serving)])


class AnyPathRouter(Router):
    """Sends every path that is not one of the engine's own to its only service."""

    _eas_routes = AnyPath

    def find(self, head: Head, headers: Mapping[bytes, bytes]) -> Route:
        return self._own(head, headers) or self._eas.find(head, headers)


def _readiness(ready: bool, text: bytes) -> Reply:
    return Reply(200 if ready else 503, TEXT, [text])


def _alive(request: HttpRequest) -> Reply:
    return Reply(200, TEXT, [b"alive"])
