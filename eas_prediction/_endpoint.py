"""Where a service answers."""

from __future__ import annotations

import os
from functools import lru_cache

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


def check_endpoint_type(endpoint_type: str) -> None:
    """Raise `InvalidRequest` for a type that cannot be used."""
    if endpoint_type in ("", ENDPOINT_TYPE_GATEWAY, ENDPOINT_TYPE_DEFAULT):
        return
    reason = _UNAVAILABLE.get(endpoint_type)
    raise InvalidRequest(
        reason or f"endpoint type: expected ENDPOINT_TYPE_GATEWAY, got {endpoint_type!r}"
    )


@lru_cache(maxsize=256)
def predict_url(endpoint: str, service_name: str) -> str:
    """The address of `service_name` behind `endpoint`: `host`, `host:port`, or with `http(s)://`."""
    if not service_name:
        raise InvalidRequest("no service name: PredictClient(endpoint, service_name) needs both")
    base = endpoint.strip().rstrip("/") or _inside_the_cluster(service_name)
    # People paste the whole address that a service prints.
    base = base.split("/api/predict/")[0]
    if "://" not in base:
        base = "http://" + base
    return f"{base}/api/predict/{service_name}"


def _inside_the_cluster(service_name: str) -> str:
    namespace = os.environ.get("NAMESPACE")
    if not namespace:
        raise InvalidRequest(
            "no endpoint: PredictClient(endpoint, service_name) needs an address such as "
            "http://127.0.0.1:8080"
        )
    return "{}.{}:8080".format(service_name.split("/")[0].replace("_", "-"), namespace)
