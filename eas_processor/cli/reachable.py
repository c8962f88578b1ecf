"""The address of this server for other machines."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

# Addresses for documentation (RFC 5737, RFC 3849). Connecting a datagram socket sends nothing, but
# the kernel chooses the local address of the route.
_FAR = {socket.AF_INET: "192.0.2.1", socket.AF_INET6: "2001:db8::1"}
_ALL = {"0.0.0.0": (socket.AF_INET,), "::": (socket.AF_INET6, socket.AF_INET)}  # noqa: S104


def reachable(address: str) -> str:
    """
    Return `address`, a URL, with an address of this machine in place of "all interfaces".

    If the machine has only a loopback interface, it is 127.0.0.1.
    """
    parts = urlsplit(address)
    families = _ALL.get(parts.hostname or "")
    if families is None:
        return address
    found = next(filter(None, map(_own, families)), "127.0.0.1")
    shown = f"[{found}]" if ":" in found else found
    return f"{parts.scheme}://{shown}:{parts.port}"


def _own(family: socket.AddressFamily) -> str:
    """Return the address of this machine that others see, '' if it has no route to them."""
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((_FAR[family], 9))
            return str(probe.getsockname()[0])
    except OSError:
        return ""
