"""
Service discovery, for clients with a direct connection.

A client asks for the list of upstreams at one of two paths. It then sends its requests to the
addresses in that list: this engine's own, and those of its peers with the same service.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from eas_processor.contracts.settings import Peer

# The vendor's clients up to 0.33 use the second path, newer ones the first.
ROUTES = (
    b"/api/v1/servicediscovery/upstreams/",
    b"/exported/apis/eas.alibaba-inc.k8s.io/v1/upstreams/",
)


def asked_for(path: bytes) -> bytes | None:
    """Return the service name in the path of a discovery route, or None for any other path."""
    for route in ROUTES:
        if path.startswith(route):
            return path[len(route) :]
    return None


def upstreams(name: str, own: Peer, peers: Iterable[Peer], *, serving: bool = True) -> bytes:
    """
    Return the list of upstreams as JSON, with the engine's own address if it is `serving`.

    If the peers contain that address, it is listed once, with the peer's weight.
    """
    app = name.replace("_", "-")
    items = {each[:2]: each for each in peers}
    if serving:
        items.setdefault(own[:2], own)
    else:
        items.pop(own[:2], None)
    shown: list[dict[str, Any]] = [{"app": app, **each._asdict()} for each in items.values()]
    return json.dumps({"correlative": [app], "endpoints": {"items": shown}}).encode()


def own_peer(sockname: tuple[Any, ...]) -> Peer:
    """Return the address at which a connection arrived, which its client can reach."""
    host, port = sockname[:2]
    return Peer(f"[{host}]" if ":" in host else host, port)
