"""The routes of PAI-EAS, and those of the engine beside them."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qs, unquote_to_bytes

from eas_processor.contracts.refusals import NotFound, Refusal
from eas_processor.frontends.discovery import asked_for, own_peer, upstreams
from eas_processor.frontends.eas.call import PredictRoute
from eas_processor.frontends.eas.statuses import status_of
from eas_processor.frontends.eas.token_check import brings_token, token_refusal
from eas_processor.frontends.http.checks import shown
from eas_processor.frontends.http.head import JSON_TYPE, Head
from eas_processor.frontends.http.heads import TEXT
from eas_processor.frontends.http.refusals import HttpRefusal, MethodNotAllowed
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

PREFIX = b"/api/predict/"
NAME = "eas"
"""What a service calls this frontend that wants it."""
_METRICS_TOKEN = (
    "with several services, /metrics asks for a token: send that of a service, or the one in the "
    "file metrics-token of EAS_HOME, as `Authorization: Bearer <token>`"
)


class Router:
    """
    Finds who answers a request: a service by its name, or one of the engine's own routes.

    The latter take no body. With more than one service their names are secret: what an own route
    tells of a service is told to who has its token, and `/metrics` of all to who has that of the
    engine. `monitoring` is the path of TensorFlow Serving's own page, if it has one.
    """

    refuses_in_json = False

    def __init__(
        self,
        registry: Registry,
        metrics_token: str = "",
        tfs: TfsRoutes | None = None,
        monitoring: str = "",
    ) -> None:
        self._registry = registry
        self._tfs = tfs or TfsRoutes(registry)
        self._metrics_tokens = Tokens(metrics_token)
        # Each that is rendered takes a slice of every turn of the loop.
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
        """Return the route for a head; a refusal is one too."""
        path = head.path
        if path.startswith(PREFIX):
            found = self._predict(head, headers)
            return found if isinstance(found, PredictRoute) else _refused(head, found)
        if path.startswith(TFS_PREFIX):
            return self._tfs.find(head, headers)
        if (handler := self._handlers.get(path)) is not None:
            return SlowRoute(head, handler(Asked(head, headers)))
        if asked_for(path) is not None:
            return SlowRoute(head, partial(self._upstreams, Asked(head, headers)))
        sentence = f"nothing answers at {shown(path)}; services are at /api/predict/NAME"
        return Refused(head, HttpRefusal(sentence, 404))

    async def metrics_text(self, server: HttpServer) -> bytes:
        """Return the metrics of all services and of the engine."""
        return await self._render(self._exposition(server, list(self._registry)))

    def _predict(self, head: Head, headers: Mapping[bytes, bytes]) -> PredictRoute | Refusal:
        entry = self._named(head.path[len(PREFIX) :])
        if isinstance(entry, Entry) and NAME not in entry.frontends:
            entry = _Unknown(entry.key, entry.key)
        refusal = Asked(head, headers).refusal_of(
            self._tokens_of(entry), entry.key.decode(errors="replace")
        )
        if refusal is not None and self._registry.names_are_secret:
            return refusal
        if isinstance(entry, _Unknown):
            return NotFound(f"there is no service {shown(entry.asked)} here")
        if head.method not in (b"POST", b"GET"):
            return MethodNotAllowed(
                f"{head.method.decode()} is not answered here; "
                "POST predicts, GET returns the signature",
                b"GET, POST",
            )
        if refusal is not None:
            return refusal
        if (service := entry.latest) is None:
            return entry.not_ready()
        return PredictRoute(head, service, timed=headers.get(b"x-eas-timing") == b"1")

    def _named(self, path: bytes) -> Entry | _Unknown:
        asked = path.partition(b"/")[0]
        name = unquote_to_bytes(asked)
        return self._registry.find(asked) or self._registry.find(name) or _Unknown(asked, name)

    def _tokens_of(self, entry: Entry | _Unknown) -> Tokens:
        """Return who may learn whether there is such a service."""
        return self._registry.tokens_of(entry.key)

    # The engine's own routes

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
            raise HttpRefusal("there is no such service here", 404)
        if entry.ready:
            return _readiness(True, b"ready")
        if refused or entry.latest is not None:
            return _readiness(False, b"no instance is ready")
        # This may tell of files and models.
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
        """Answer with TensorFlow Serving's page, and with our `own` behind it."""
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
            ServiceSample(each.name, each.metrics, each.admission.gauges(), each.states())
            for entry in entries
            for each in entry.versions.values()
        ]
        several = len(self._registry) > 1
        up = {each.name: each.ready for each in entries} if several else None
        return exposition(samples, dict(server.refused), server.metrics(), up)

    def _upstreams(self, asked: Asked, request: HttpRequest) -> Reply:
        server = request.connection.server
        own, everybody = own_peer(request.connection.sockname()), server.settings.peers
        entry = self._named(asked_for(request.head.path) or b"")
        tokens, name = self._tokens_of(entry), entry.key.decode(errors="replace")
        if self._registry.names_are_secret and not asked.has_token_of(tokens, name):
            # The vendor's clients send no token here. They get what tells nothing: this engine,
            # under whatever name they ask for.
            serving = not server.draining
            return Reply(200, JSON_TYPE, [upstreams(name, own, everybody, serving=serving)])
        if isinstance(entry, _Unknown):
            sentence = f"there is no service {shown(entry.asked)} here"
            return Reply(404, TEXT, [sentence.encode()])
        serving = entry.ready and not server.draining
        peers = [*entry.peers, *everybody]
        return Reply(200, JSON_TYPE, [upstreams(entry.name, own, peers, serving=serving)])


class AnyPathRouter(Router):
    """
    Takes every path that is none of the engine's own for its one service.

    So does a processor of the vendor's that is run as a script.
    """

    def find(self, head: Head, headers: Mapping[bytes, bytes]) -> Route:
        if head.path in self._handlers or asked_for(head.path) is not None:
            return super().find(head, headers)
        found = self._predict(head, headers)
        return found if isinstance(found, PredictRoute) else _refused(head, found)

    def _named(self, path: bytes) -> Entry | _Unknown:
        return next(iter(self._registry), None) or super()._named(path)


def _refused(head: Head, refusal: Refusal) -> Refused:
    if isinstance(refusal, HttpRefusal):
        return Refused(head, refusal)
    return Refused(head, HttpRefusal(str(refusal), status_of(refusal)))


class _Unknown(NamedTuple):
    """A name that no service has: as it came, and without its percent signs."""

    asked: bytes
    key: bytes


class Asked:
    """What the head of a request to one of the engine's own routes brings."""

    def __init__(self, head: Head, headers: Mapping[bytes, bytes]) -> None:
        self._head = head
        self._headers = headers

    def names(self, parameter: str) -> bool:
        """Whether the query has a parameter, with or without a value."""
        return parameter in self._query()

    def value(self, parameter: str) -> str:
        """Return the value of a parameter of the query."""
        return self._query()[parameter][0]

    def refusal_of(self, tokens: Tokens, name: str = "") -> Refusal | None:
        """Return why whoever asks does not have one of `tokens`, if so."""
        return token_refusal(tokens, name, self._head.method, self._head.target, self._headers)

    def has_token_of(self, tokens: Tokens, name: str) -> bool:
        """Whether one of `tokens`, of which there are any, came or has signed the request."""
        return not tokens.public and self.refusal_of(tokens, name) is None

    def brings(self, tokens: Tokens) -> bool:
        """Whether one of `tokens` came itself: signatures of 100 services take 1 ms to check."""
        return brings_token(tokens, self._headers)

    def _query(self) -> dict[str, list[str]]:
        query = self._head.target.partition(b"?")[2].decode("latin-1")
        return parse_qs(query, keep_blank_values=True)


def _readiness(ready: bool, text: bytes) -> Reply:
    return Reply(200 if ready else 503, TEXT, [text])


def _alive(request: HttpRequest) -> Reply:
    return Reply(200, TEXT, [b"alive"])
