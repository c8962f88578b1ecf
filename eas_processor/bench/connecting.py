"""Open a connection to a target."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from typing import TypeVar

from eas_processor.bench.connection import Connection
from eas_processor.bench.grpc.connection import GrpcConnection
from eas_processor.bench.senders import Owner, Sender
from eas_processor.bench.target import Target
from eas_processor.errors import BenchError

_Protocol = TypeVar("_Protocol", bound=asyncio.Protocol)
_SETTINGS_S = 10.0
"""An HTTP/2 server must send SETTINGS first."""


async def connect(target: Target, owner: Owner, in_flight: int = 1) -> Sequence[Sender]:
    """
    Open a connection and return its senders, one for each request that may be in flight.

    Raises BenchError if nothing listens there, or if the listener does not speak the protocol.
    """
    if not target.grpc:
        return [await _open(target, Connection(owner))]
    return (await open_grpc(target, GrpcConnection(owner, in_flight))).lanes


async def open_grpc(target: Target, connection: GrpcConnection) -> GrpcConnection:
    """Connect, and wait until the server takes calls. Raises BenchError."""
    await _open(target, connection)
    try:
        await asyncio.wait_for(connection.ready, _SETTINGS_S)
    except (OSError, TimeoutError) as error:
        connection.abort()
        reason = str(error) or f"it does not speak gRPC: no SETTINGS within {_SETTINGS_S:g} s"
        raise BenchError(f"cannot use {target.host}:{target.port}: {reason}") from error
    return connection


async def _open(target: Target, protocol: _Protocol) -> _Protocol:
    context = ssl.create_default_context() if target.tls else None
    if context is not None and target.grpc:
        context.set_alpn_protocols(["h2"])
    try:
        await asyncio.get_running_loop().create_connection(
            lambda: protocol, target.host, target.port, ssl=context
        )
    except OSError as error:
        raise BenchError(
            f"cannot connect to {target.host}:{target.port}: {error.strerror or error}; "
            "is the service running?"
        ) from error
    return protocol
