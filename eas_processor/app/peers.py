"""Parses peers: other engines of the same service, in the service file and in `--peers`."""

from __future__ import annotations

import re

from eas_processor.config.values import PEER_PATTERN, PEER_RULE
from eas_processor.contracts.settings import OWN_WEIGHT, Peer


def peer_of(text: str) -> Peer:
    """Parse `HOST:PORT` or `HOST:PORT=WEIGHT`. Raises ValueError."""
    if re.match(PEER_PATTERN, text):
        address, _, weight = text.partition("=")
        host, _, port = address.rpartition(":")
        if 0 < int(port) < 65536:
            return Peer(host, int(port), int(weight or OWN_WEIGHT))
    raise ValueError(f"expected {PEER_RULE}, got {text!r}")
