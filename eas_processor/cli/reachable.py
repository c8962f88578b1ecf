"""The address of a server as other machines write it."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

# Of those for documentation (RFC 5737, RFC 3849). To connect a datagram socket sends nothing: the
# kernel picks the address that this machine has on the way there.
_FAR = {socket.AF_INET: "192.0.2.1", socket.AF_INET6: "2001:db8::1"}
_ALL = {"0.0.0.0": (socket.AF_INET,), "::": (socket.AF_INET6, socket.AF_INET)}  # noqa: S104


def reachable(address: str) -> str:
    """
    Return `address`, `http://HOST:PORT`, with an address of this machine for all interfaces.

    Where the machine has a loopback interface alone, it is that.
    """
    parts = urlsplit(address)
    families = _ALL.get(parts.hostname or "")
    if families is None:
        return address
    found = next(filter(None, map(_own, families)), "127.0.0.1")
    shown = f"[{found}]" if ":" in found else found
    return f"{parts.scheme}://{shown}:{parts.port}"


def _own(family: socket.AddressFamily) -> str:
    """Return the address that others see, or '' where there is no way out."""
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((_FAR[family], 9))
            return str(probe.getsockname()[0])
    except OSError:
        return ""
