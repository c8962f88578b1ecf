"""The routes of PAI-EAS, and those of the engine beside them."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import unquote_to_bytes

from eas_processor.contracts.refusals import NotFound, Refusal
from eas_processor.frontends.discovery import asked_for, own_peer, upstreams
from eas_processor.frontends.eas.call import PredictRoute
from eas_processor.frontends.eas.statuses import status_of
from eas_processor.frontends.eas.token_check import token_refusal
from eas_processor.frontends.http.checks import shown
from eas_processor.frontends.http.head import JSON_TYPE, Head
from eas_processor.frontends.http.heads import TEXT
from eas_processor.frontends.http.refusals import HttpRefusal, MethodNotAllowed
from eas_processor.frontends.http.request import HttpRequest, Reply
from eas_processor.frontends.http.routes import Handler, Refused, Route, SlowRoute
from eas_processor.frontends.metrics import TEXT_FORMAT, ServiceSample, exposition
from eas_processor.serving.registry import Entry, Registry

PREFIX = b"/api/predict/"


class Router:
    """
    Finds who answers a request: a service by its name, or one of the engine's own routes.

    The latter need no token and take no body.
    """

    refuses_in_json = False

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._handlers: dict[bytes, Handler] = {
            b"/healthz": _alive,
            b"/readyz": self._ready,
            b"/metrics": self._metrics,
        }

    def find(self, head: Head, headers: Mapping[bytes, bytes]) -> Route:
        """Return the route for a head; a refusal is one too."""
        path = head.path
        if path.startswith(PREFIX):
            found = self._predict(head, headers)
            if isinstance(found, HttpRefusal):
                return Refused(head, found)
            if isinstance(found, Refusal):
                return Refused(head, HttpRefusal(str(found), status_of(found)))
            return found
        if (handler := self._handlers.get(path)) is not None:
            return SlowRoute(head, handler)
        if asked_for(path) is not None:
            return SlowRoute(head, self._upstreams)
        sentence = f"nothing answers at {shown(path)}; services are at /api/predict/NAME"
        return Refused(head, HttpRefusal(sentence, 404))

    def _predict(self, head: Head, headers: Mapping[bytes, bytes]) -> PredictRoute | Refusal:
        entry = self._named(head.path[len(PREFIX) :])
        if isinstance(entry, NotFound):
            return entry
        if head.method not in (b"POST", b"GET"):
            return MethodNotAllowed(
                f"{head.method.decode()} is not answered here; "
                "POST predicts, GET returns the signature",
                b"GET, POST",
            )
        if refusal := token_refusal(entry.tokens, entry.name, head.method, head.target, headers):
            return refusal
        if (service := entry.latest) is None:
            return entry.not_ready()
        return PredictRoute(head, service, timed=headers.get(b"x-eas-timing") == b"1")

    def _named(self, path: bytes) -> Entry | NotFound:
        name = path.partition(b"/")[0]
        entry = self._registry.find(name) or self._registry.find(unquote_to_bytes(name))
        return entry or NotFound(f"there is no service {shown(name)} here")

    # The engine's own routes

    def _ready(self, request: HttpRequest) -> Reply:
        if request.connection.server.draining:
            return Reply(503, TEXT, [b"shutting down"])
        if all(each.ready for each in self._registry):
            return Reply(200, TEXT, [b"ready"])
        return Reply(503, TEXT, [b"no instance is ready"])

    def _metrics(self, request: HttpRequest) -> Reply:
        server = request.connection.server
        services = [
            ServiceSample(each.name, each.metrics, each.admission.gauges(), each.states())
            for entry in self._registry
            for each in entry.versions.values()
        ]
        return Reply(200, TEXT_FORMAT, [exposition(services, server.refused, server.metrics())])

    def _upstreams(self, request: HttpRequest) -> Reply:
        entry = self._named(asked_for(request.head.path) or b"")
        if isinstance(entry, NotFound):
            return Reply(404, TEXT, [str(entry).encode()])
        serving = entry.ready and not request.connection.server.draining
        own = own_peer(request.connection.sockname())
        return Reply(200, JSON_TYPE, [upstreams(entry.name, own, entry.peers, serving=serving)])


def _alive(request: HttpRequest) -> Reply:
    return Reply(200, TEXT, [b"alive"])
