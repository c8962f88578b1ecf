"""The interface between HTTP/2 and gRPC services: streams, and the methods that answer them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from eas_processor.contracts.account import Account
from eas_processor.contracts.call import Call
from eas_processor.contracts.refusals import Refusal
from eas_processor.frontends.grpc.http2.head import StreamHead
from eas_processor.frontends.grpc.http2.limits import STREAM_WINDOW
from eas_processor.frontends.grpc.http2.unsent import Unsent

if TYPE_CHECKING:
    from eas_processor.frontends.grpc.http2.connection import Http2Connection


class Method(Protocol):
    """Answers the streams with one head."""

    def open(
        self, connection: Http2Connection, stream_id: int, head: StreamHead, now: float
    ) -> Stream:
        """Begin a stream; `refusal` is set if its body is not read."""


class GrpcRoutes(Protocol):
    """The methods of a server."""

    def find(self, head: StreamHead) -> Method:
        """
        Return the method for streams with this head, which may be one that refuses.

        A connection may remember the result while it is open.
        """


class Stream(Call):
    """
    One stream. The calls of gRPC services are subclasses.

    A unary call is `received` when its only message is complete: `body` contains the pieces
    without the prefix, and `size` is their length. A call of a `streaming` class gets each message
    as it arrives. `refusal` is set if the call is not admitted. `charged` are its bytes in the
    engine's budget. `answered` tells that no more is to be sent, except unsent DATA.
    """

    __slots__ = (
        "answered",
        "arrived",
        "charged",
        "compressed",
        "connection",
        "credit",
        "head",
        "headers_sent",
        "held_back",
        "id",
        "method",
        "moved_at",
        "refusal",
        "trailers",
        "unsent",
        "whole",
        "window",
    )

    streaming = False

    def __init__(
        self,
        method: Method,
        connection: Http2Connection,
        stream_id: int,
        head: StreamHead,
        now: float,
    ) -> None:
        Call.__init__(self)
        self.method = method
        self.connection = connection
        self.id = stream_id
        self.head = head
        self.began = now
        self.deadline = now + head.timeout if head.timeout else 0.0
        self.refusal: Refusal | None = None
        self.charged = 0
        self.answered = False
        self.whole = False
        """Whether the client has ended its side."""
        self.arrived = 0
        """Bytes of DATA, prefixes included."""
        self.compressed = False
        """Whether its message was compressed; then the answer is too, if the client accepts it."""
        self.window = STREAM_WINDOW
        """Bytes that the client may still send."""
        self.credit = connection.sending.first_window
        """Bytes that the client's window still allows to send."""
        self.moved_at = now
        """When bytes of it were last received or sent."""
        self.headers_sent = False
        self.unsent: Unsent | None = None
        """DATA that waits for the client's windows; `trailers` follow it."""
        self.trailers = b""
        self.held_back = False
        """Whether received messages wait to be passed on."""

    @property
    def account(self) -> Account | None:
        """The account for a large message or answer; None while the service is not known."""
        return None

    # Overridden by services

    def received(self, now: float) -> None:
        """Act on a unary call whose message is complete."""
        raise NotImplementedError

    def message(self, data: bytes, now: float) -> None:
        """Act on a message of a streaming call."""
        raise NotImplementedError

    def half_closed(self, now: float) -> None:
        """Act on the end of the client's messages in a streaming call."""
        raise NotImplementedError

    def withdraw(self) -> None:
        """Withdraw an unanswered call that the client has reset, or whose client disconnected."""

    # Used by services

    def respond(self, message: list[bytes]) -> None:
        """Answer a unary call with a message and status 0."""
        if not self.answered:
            self.connection.sending.respond(self, message)

    def fail(self, status: int, text: str) -> None:
        """End the call with a status of gRPC and a text."""
        if not self.answered:
            self.connection.sending.fail(self, status, text)

    def send(self, message: bytes) -> None:
        """Send a message of a streaming call."""
        if not self.answered:
            self.connection.sending.send(self, message)

    def finish(self) -> None:
        """End a streaming call with status 0."""
        if not self.answered:
            self.connection.sending.finish(self)

    def charge(self, size: int) -> None:
        """Charge `size` bytes for the message or the answer, instead of those until now."""
        self.connection.budget.charge(self.account, self.charged, size)
        self.charged = size

    def settle(self) -> None:
        """Charge the bytes that are held for it now: arriving messages and unsent answers."""
        held = 0 if self.answered else self.size
        if self.unsent is not None:
            held += self.unsent.size
        if held != self.charged:
            self.charge(held)

    def give_back(self) -> None:
        """Release the charged bytes."""
        if self.charged:
            self.charge(0)
