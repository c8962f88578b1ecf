"""Which path means what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from urllib.parse import unquote_to_bytes

from eas_processor.contracts.counters import EngineMetric, ServiceSample, exposition
from eas_processor.contracts.refusals import NotFound, Refusal
from eas_processor.frontends.discovery import Peer, asked_for, upstreams
from eas_processor.frontends.http.checks import shown
from eas_processor.frontends.http.refusals import MethodNotAllowed
from eas_processor.serving.service import Service

PREFIX = b"/api/predict/"
METRICS = b"/metrics"


class Router:
    """Finds the service of a request."""

    def __init__(self, services: list[Service]) -> None:
        self._services = {each.key: each for each in services}
        self.draining = False

    def find(self, method: bytes, path: bytes) -> Service | Refusal:
        """Return the service for `path` (without query), or why there is none."""
        if not path.startswith(PREFIX):
            return NotFound(f"nothing answers at {shown(path)}; services are at /api/predict/NAME")
        service = self._named(path[len(PREFIX) :])
        if isinstance(service, NotFound):
            return service
        if method not in (b"POST", b"GET"):
            return MethodNotAllowed(
                f"{method.decode()} is not answered here; POST predicts, GET returns the signature"
            )
        return service

    def serves(self, service: Service) -> bool:
        """Whether `service` still answers under its name."""
        return self._services.get(service.key) is service

    def metrics(self, refused: Mapping[int, int], engine: Iterable[EngineMetric] = ()) -> bytes:
        """Return the text of `/metrics`; `refused` counts what no service took, by status."""
        services = [
            ServiceSample(
                each.settings.name,
                each.metrics,
                each.admission.gauges(),
                each.states(),
            )
            for each in self._services.values()
        ]
        return exposition(services, refused, engine)

    def health(self, path: bytes) -> tuple[int, bytes] | None:
        """Return the answer of a health route, or None for any other path."""
        if path == b"/healthz":
            return 200, b"alive"
        if path == b"/readyz":
            if self.draining:
                return 503, b"shutting down"
            if all(each.ready for each in self._services.values()):
                return 200, b"ready"
            return 503, b"no instance is ready"
        return None

    def is_small(self, path: bytes) -> bool:
        """Whether `path` is answered here, by no service and without a token."""
        return path == METRICS or self.health(path) is not None or asked_for(path) is not None

    def upstreams(self, name: bytes, own: Peer) -> tuple[int, bytes]:
        """Return status and text of a discovery route; `own` is the address of this engine."""
        service = self._named(name)
        if isinstance(service, NotFound):
            return 404, str(service).encode()
        serving = service.ready and not self.draining
        settings = service.settings
        return 200, upstreams(settings.name, own, settings.peers, serving=serving)

    def _named(self, path: bytes) -> Service | NotFound:
        name = path.partition(b"/")[0]
        service = self._services.get(name) or self._services.get(unquote_to_bytes(name))
        if service is None:
            return NotFound(f"there is no service {shown(name)} here")
        return service
