"""Which path means what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from urllib.parse import unquote_to_bytes

from eas_processor.contracts.counters import EngineMetric, ServiceSample, exposition
from eas_processor.contracts.refusals import NotFound, Refusal
from eas_processor.contracts.settings import ServiceSettings
from eas_processor.frontends.discovery import Peer, asked_for, upstreams
from eas_processor.frontends.eas.token_check import TokenCheck
from eas_processor.frontends.http.checks import shown
from eas_processor.frontends.http.refusals import MethodNotAllowed
from eas_processor.instances.instance import State
from eas_processor.instances.supervisor import Supervisor
from eas_processor.link.codes import UNAVAILABLE, pack_status
from eas_processor.serving.admission import Admission
from eas_processor.serving.rate import GatewayPolicy, RateLimit

PREFIX = b"/api/predict/"
METRICS = b"/metrics"


class Endpoint:
    """What answers at `/api/predict/NAME`: a service with token, rate, queue and instances."""

    def __init__(
        self, settings: ServiceSettings, admission: Admission, supervisor: Supervisor
    ) -> None:
        self.settings = settings
        self.key = settings.name.encode()
        self.admission = admission
        self.supervisor = supervisor
        self.auth = TokenCheck(settings.token, settings.name, settings.previous_token)
        self.rate = RateLimit(settings.rate_limit) if settings.rate_limit else None
        self.gateway = GatewayPolicy.of(settings)

    def configure(self, settings: ServiceSettings) -> None:
        """Take another token and other limits from now on."""
        before, self.settings = self.settings, settings
        self.admission.configure(settings)
        self.auth = TokenCheck(settings.token, settings.name, settings.previous_token)
        if (settings.gateway_rate, settings.gateway_concurrency) != (
            before.gateway_rate,
            before.gateway_concurrency,
        ):
            self.gateway = GatewayPolicy.of(settings)
        if settings.rate_limit != before.rate_limit:
            self.rate = RateLimit(settings.rate_limit) if settings.rate_limit else None

    def describe(self) -> tuple[int, bytes]:
        """Return code and text: the signature JSON, or why there is none."""
        info = self.supervisor.info
        if not info:
            return UNAVAILABLE, b"no instance is ready; try again in a moment"
        text = info["info"].encode()
        status = info["info_status"]
        return info["info_code"], pack_status(status, text) if status else text

    def states(self) -> dict[str, int]:
        """Return how many instances are in each state of their life."""
        counts = {state.value: 0 for state in State if state is not State.DEAD}
        for instance in self.supervisor.instances:
            counts[instance.state.value] += 1
        return counts


class Router:
    """Finds the endpoint of a request."""

    def __init__(self, endpoints: list[Endpoint]) -> None:
        self._endpoints = {each.key: each for each in endpoints}
        self.draining = False

    def find(self, method: bytes, path: bytes) -> Endpoint | Refusal:
        """Return the endpoint for `path` (without query), or why there is none."""
        if not path.startswith(PREFIX):
            return NotFound(f"nothing answers at {shown(path)}; {self._known()}")
        endpoint = self._named(path[len(PREFIX) :])
        if isinstance(endpoint, NotFound):
            return endpoint
        if method not in (b"POST", b"GET"):
            return MethodNotAllowed(
                f"{method.decode()} is not answered here; POST predicts, GET returns the signature"
            )
        return endpoint

    def serves(self, endpoint: Endpoint) -> bool:
        """Whether `endpoint` still answers under its name."""
        return self._endpoints.get(endpoint.key) is endpoint

    def metrics(self, refused: Mapping[int, int], engine: Iterable[EngineMetric] = ()) -> bytes:
        """Return the text of `/metrics`; `refused` counts what no service took, by status."""
        services = [
            ServiceSample(
                each.settings.name,
                each.admission.metrics,
                each.admission.gauges(),
                each.states(),
            )
            for each in self._endpoints.values()
        ]
        return exposition(services, refused, engine)

    def health(self, path: bytes) -> tuple[int, bytes] | None:
        """Return the answer of a health route, or None for any other path."""
        if path == b"/healthz":
            return 200, b"alive"
        if path == b"/readyz":
            if self.draining:
                return 503, b"shutting down"
            if all(each.admission.ready for each in self._endpoints.values()):
                return 200, b"ready"
            return 503, b"no instance is ready"
        return None

    def is_small(self, path: bytes) -> bool:
        """Whether `path` is answered here, by no service and without a token."""
        return path == METRICS or self.health(path) is not None or asked_for(path) is not None

    def upstreams(self, name: bytes, own: Peer) -> tuple[int, bytes]:
        """Return status and text of a discovery route; `own` is the address of this engine."""
        endpoint = self._named(name)
        if isinstance(endpoint, NotFound):
            return 404, str(endpoint).encode()
        serving = endpoint.admission.ready and not self.draining
        settings = endpoint.settings
        return 200, upstreams(settings.name, own, settings.peers, serving=serving)

    def _named(self, path: bytes) -> Endpoint | NotFound:
        name = path.partition(b"/")[0]
        endpoint = self._endpoints.get(name) or self._endpoints.get(unquote_to_bytes(name))
        if endpoint is None:
            return NotFound(f"there is no service {shown(name)} here; {self._known()}")
        return endpoint

    def _known(self) -> str:
        names = ", ".join(sorted(f"/api/predict/{name.decode()}" for name in self._endpoints))
        return f"this engine answers at {names}"
