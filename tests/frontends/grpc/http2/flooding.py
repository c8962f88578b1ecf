"""A client that sends as much as the server takes, as an attack does."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Iterable
from typing import NamedTuple

from frontends.grpc.http2.raw_client import PREFACE, settings

STUCK_S = 1.0
"""A server that reads nothing for so long holds the attacker off: as good as closing."""


class Flood(NamedTuple):
    """How many pieces were taken, and how it ended: "closed", "stuck", or "" where all were."""

    taken: int
    end: str


def flood(
    address: tuple[str, int],
    pieces: Iterable[bytes],
    *,
    pairs: tuple[tuple[int, int], ...] = (),
    reads: bool = True,
) -> Flood:
    """Send the pieces on a connection of their own until it is closed or stuck."""
    with socket.create_connection(address, 10) as client:
        client.setblocking(False)
        taken = 0
        for piece in (PREFACE + settings(*pairs), *pieces):
            end = _send(client, piece, reads)
            if end:
                return Flood(taken, end)
            taken += 1
        return Flood(taken, _read_what_comes(client))


def _send(client: socket.socket, piece: bytes, reads: bool) -> str:
    left = memoryview(piece)
    last = time.monotonic()
    while left:
        readable, writable, _ = select.select([client] if reads else [], [client], [], 0.1)
        if readable and (end := _receive(client)):
            return end
        if writable:
            try:
                left = left[client.send(left[: 2**18]) :]
            except (BrokenPipeError, ConnectionResetError):
                return _read_what_comes(client) or "closed"
            last = time.monotonic()
        elif time.monotonic() - last > STUCK_S:
            return "stuck"
    return ""


def _receive(client: socket.socket) -> str:
    try:
        got = client.recv(2**18)
    except BlockingIOError:
        return ""
    except ConnectionResetError:
        return "closed"
    return "" if got else "closed"


def _read_what_comes(client: socket.socket) -> str:
    """Read until nothing has come for a moment."""
    while select.select([client], [], [], 0.2)[0]:
        if end := _receive(client):
            return end
    return ""
