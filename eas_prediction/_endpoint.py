"""Where a service answers."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod

from .exception import InvalidRequest

ENDPOINT_TYPE_GATEWAY = "GATEWAY"
ENDPOINT_TYPE_DEFAULT = "DEFAULT"
ENDPOINT_TYPE_DIRECT = "DIRECT"
ENDPOINT_TYPE_VIPSERVER = "VIPSERVER"

_UNAVAILABLE = {
    ENDPOINT_TYPE_DIRECT: "direct connection is not available yet; leave set_endpoint_type out and "
    "give the address that the service prints when it starts",
    ENDPOINT_TYPE_VIPSERVER: "VIPSERVER works only inside the vendor's own network; leave "
    "set_endpoint_type out and give the address of the gateway",
}


class Endpoint(ABC):
    """Knows the addresses of a service; asked before every attempt, by many threads at once."""

    @abstractmethod
    def get(self) -> str:
        """Return the address to send the next attempt to, such as `http://127.0.0.1:8080`."""


class GatewayEndpoint(Endpoint):
    """One address: `host`, `host:port`, or with `http://` or `https://`."""

    def __init__(self, endpoint: str, service_name: str) -> None:
        if not service_name:
            raise InvalidRequest(
                "no service name: PredictClient(endpoint, service_name) needs both"
            )
        base = endpoint.strip().rstrip("/") or _inside_the_cluster(service_name)
        # People paste the whole address that a service prints.
        base = base.split("/api/predict/")[0]
        self.domain = base if "://" in base else "http://" + base

    def get(self) -> str:
        return self.domain


def endpoint_of(endpoint_type: str, endpoint: str, service_name: str) -> Endpoint:
    """The endpoint of this type; raises `InvalidRequest` for a type that cannot be used."""
    if endpoint_type in ("", ENDPOINT_TYPE_GATEWAY, ENDPOINT_TYPE_DEFAULT):
        return GatewayEndpoint(endpoint, service_name)
    reason = _UNAVAILABLE.get(endpoint_type)
    raise InvalidRequest(
        reason or f"endpoint type: expected ENDPOINT_TYPE_GATEWAY, got {endpoint_type!r}"
    )


def _inside_the_cluster(service_name: str) -> str:
    namespace = os.environ.get("NAMESPACE")
    if not namespace:
        raise InvalidRequest(
            "no endpoint: PredictClient(endpoint, service_name) needs an address such as "
            "http://127.0.0.1:8080"
        )
    return "{}.{}:8080".format(service_name.split("/")[0].replace("_", "-"), namespace)
