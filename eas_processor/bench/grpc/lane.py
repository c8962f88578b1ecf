"""A lane: one call at a time on a connection with several calls in flight."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from eas_processor.bench.grpc.call import Call
    from eas_processor.bench.grpc.connection import GrpcConnection


class Lane:
    """A sender of one call at a time, each as a stream of its own."""

    __slots__ = ("_connection", "http_status", "pieces", "since", "size", "stream", "text")

    def __init__(self, connection: GrpcConnection) -> None:
        self._connection = connection
        self.since: float | None = None
        self.stream = 0
        self.http_status = 0
        self.size = 0
        """The number of bytes received of the answer."""
        self.pieces: list[bytes] = []
        self.text = ""
        """The answer's grpc-message."""

    def send(self, request: Call, since: float) -> None:
        """Send a call whose latency counts from `since`."""
        self.since = since
        self.size = 0
        self._connection.send(self, request)

    def give_up(self) -> None:
        """Reset the stream, so that the lane can take another call."""
        self._connection.withdraw(self)

    def close(self) -> None:
        """Close the connection, with all its lanes."""
        self._connection.abort()
