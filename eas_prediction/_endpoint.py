"""The endpoints of a service, which know its addresses."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from typing import Collection

from ._discovery import Discovery, Upstreams
from ._transport import PooledTransport, Transport
from .exception import InvalidRequest

ENDPOINT_TYPE_GATEWAY = "GATEWAY"
ENDPOINT_TYPE_DEFAULT = "DEFAULT"
ENDPOINT_TYPE_DIRECT = "DIRECT"
ENDPOINT_TYPE_VIPSERVER = "VIPSERVER"

ENDPOINT_TYPES = (
    "",
    ENDPOINT_TYPE_GATEWAY,
    ENDPOINT_TYPE_DEFAULT,
    ENDPOINT_TYPE_DIRECT,
    ENDPOINT_TYPE_VIPSERVER,
)
TYPE_NAMES = "ENDPOINT_TYPE_GATEWAY or ENDPOINT_TYPE_DIRECT"
_VIPSERVER = (
    "VIPSERVER works only inside the vendor's own network; leave out set_endpoint_type and give "
    "the address of the gateway, or set ENDPOINT_TYPE_DIRECT and give that of the discovery server"
)


class Endpoint(ABC):
    """Knows the addresses of a service. Many threads may use it at the same time."""

    @abstractmethod
    def get(self, tried: Collection[str] = (), timeout: float = 0.0) -> str:
        """
        Return the address for the next attempt, such as `http://127.0.0.1:8080`.

        `tried` are the addresses of earlier attempts. Waits up to `timeout` seconds for the first
        list of addresses.
        """

    def done(self, address: str, failure: BaseException | None) -> bool:
        """Note the end of an attempt; return whether another address can be tried."""
        return False

    @property
    def known(self) -> bool:
        """Whether `get` answers at once."""
        return True

    def wait(self, timeout: float) -> None:  # noqa: B027 - a gateway has nothing to wait for
        """Wait until `get` answers at once. Raises `TimedOut`."""

    def close(self) -> None:  # noqa: B027 - a gateway has nothing to close
        """Stop background work. A later `get` starts it again."""

    def sync(self) -> None:  # noqa: B027 - a gateway has nothing to fetch
        """Fetch the addresses now. Failures are logged."""

    def get_size(self) -> int:
        """The number of addresses."""
        return 1


class GatewayEndpoint(Endpoint):
    """
    One fixed address: `host`, `host:port`, or either with `http://` or `https://`.

    `logger` is ignored; the vendor's class has it too.
    """

    def __init__(
        self, domain: str, service_name: str, logger: object = None, custom_url: str = ""
    ) -> None:
        if custom_url:
            self.domain = custom_url
            return
        if not service_name:
            raise InvalidRequest(
                "no service name: PredictClient(endpoint, service_name) needs both"
            )
        base = (domain or "").strip().rstrip("/") or _inside_the_cluster(service_name)
        # Users paste the whole URL that a service prints.
        base = base.split("/api/predict/")[0]
        self.domain = base if "://" in base else "http://" + base

    def get(self, tried: Collection[str] = (), timeout: float = 0.0) -> str:
        return self.domain


class DirectEndpoint(Endpoint):
    """The addresses of the instances, as the discovery server at `domain` lists them."""

    def __init__(
        self,
        domain: str,
        service_name: str,
        logger: object = None,
        *,
        transport: Transport | None = None,
    ) -> None:
        if not (domain or "").strip():
            raise InvalidRequest(
                "no endpoint: a direct connection needs the address of the discovery server"
            )
        self.domain = GatewayEndpoint(domain, service_name).domain
        transport = PooledTransport(1) if transport is None else transport
        discovery = Discovery(self.domain, service_name, transport)
        self._upstreams = Upstreams(discovery.fetch, transport.forget)

    def get(self, tried: Collection[str] = (), timeout: float = 0.0) -> str:
        return self._upstreams.choose(tried, timeout)

    def done(self, address: str, failure: BaseException | None) -> bool:
        return self._upstreams.done(address, failure)

    @property
    def known(self) -> bool:
        return self._upstreams.known

    def wait(self, timeout: float) -> None:
        self._upstreams.wait(timeout)

    def close(self) -> None:
        self._upstreams.close()

    def sync(self) -> None:
        self._upstreams.refresh()

    def get_size(self) -> int:
        return self._upstreams.size


class VipServerEndpoint(Endpoint):
    """An endpoint that works only in the vendor's own network; its constructor raises."""

    def __init__(self, domain: str = "", logger: object = None) -> None:
        raise InvalidRequest(_VIPSERVER)

    def get(self, tried: Collection[str] = (), timeout: float = 0.0) -> str:
        raise InvalidRequest(_VIPSERVER)


def endpoint_of(
    endpoint_type: str, endpoint: str, service_name: str, transport: Transport
) -> Endpoint:
    """
    Return an endpoint of this type. Raises `InvalidRequest` for a type that cannot be used.

    `transport` is used for requests to a discovery server.
    """
    if endpoint_type in ("", ENDPOINT_TYPE_GATEWAY, ENDPOINT_TYPE_DEFAULT):
        return GatewayEndpoint(endpoint, service_name)
    if endpoint_type == ENDPOINT_TYPE_DIRECT:
        return DirectEndpoint(endpoint, service_name, transport=transport)
    if endpoint_type == ENDPOINT_TYPE_VIPSERVER:
        raise InvalidRequest(_VIPSERVER)
    raise InvalidRequest(f"endpoint type: expected {TYPE_NAMES}, got {endpoint_type!r}")


def _inside_the_cluster(service_name: str) -> str:
    namespace = os.environ.get("NAMESPACE")
    if not namespace:
        raise InvalidRequest(
            "no endpoint: PredictClient(endpoint, service_name) needs an address such as "
            "http://127.0.0.1:8080"
        )
    return "{}.{}:8080".format(service_name.split("/", maxsplit=1)[0].replace("_", "-"), namespace)
