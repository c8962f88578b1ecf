"""
Where a service answers, for clients with a direct connection.

They ask for the list of upstreams, by one of two paths, and then send their requests to the
addresses in it: this engine's own, and those of its peers, which serve the same.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from eas_processor.contracts.settings import Peer

# The newer of the vendor's clients ask for the first, those up to 0.33 for the second.
ROUTES = (
    b"/api/v1/servicediscovery/upstreams/",
    b"/exported/apis/eas.alibaba-inc.k8s.io/v1/upstreams/",
)


def asked_for(path: bytes) -> bytes | None:
    """Return the name in the path of a discovery route, or None for any other path."""
    for route in ROUTES:
        if path.startswith(route):
            return path[len(route) :]
    return None


def upstreams(name: str, own: Peer, peers: Iterable[Peer], *, serving: bool = True) -> bytes:
    """
    Return the list in JSON; an engine that is not serving leaves its own address out.

    An engine that finds its own address among the peers is listed once, with the weight there.
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
    """Return the address at which a connection arrived: one that this client can reach."""
    host, port = sockname[:2]
    return Peer(f"[{host}]" if ":" in host else host, port)
