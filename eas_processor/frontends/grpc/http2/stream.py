"""The seam between HTTP/2 and gRPC services: streams, and who answers them."""

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
    """Who answers the streams that bring one head."""

    def open(
        self, connection: Http2Connection, stream_id: int, head: StreamHead, now: float
    ) -> Stream:
        """Begin a stream; its `refusal` says whether its body is read at all."""


class GrpcRoutes(Protocol):
    """What a server is given: who answers which stream."""

    def find(self, head: StreamHead) -> Method:
        """
        Return who answers streams with this head; one of no method refuses them.

        A connection may remember the answer for as long as it is open.
        """


class Stream(Call):
    """
    One stream; the calls of gRPC services are subclasses.

    A unary call is `received` when its one message is whole, without its prefix: `body` are its
    pieces, `size` its bytes. One of a `streaming` class gets each message as it comes. `refusal` is
    why it is not let in, `charged` its bytes in the engine's budget. `answered` is whether nothing
    more is to be said.
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
        """Whether its message came compressed: so is the answer, where the client takes that."""
        self.window = STREAM_WINDOW
        """Bytes that the client may still send."""
        self.credit = connection.sending.first_window
        """Bytes that the client lets us send."""
        self.moved_at = now
        """When something of it was last received or sent."""
        self.headers_sent = False
        self.unsent: Unsent | None = None
        """DATA that waits for the client's windows, and `trailers` that follow it."""
        self.trailers = b""
        self.held_back = False
        """Whether messages that are there wait to be handed over."""

    @property
    def account(self) -> Account | None:
        """Who pays for a large message or answer; nobody while the service is not known."""
        return None

    # What a service says

    def received(self, now: float) -> None:
        """Act on a unary call whose message is whole."""
        raise NotImplementedError

    def message(self, data: bytes, now: float) -> None:
        """Act on a message of a streaming call."""
        raise NotImplementedError

    def half_closed(self, now: float) -> None:
        """Act on the end of the client's messages, of a streaming call."""
        raise NotImplementedError

    def withdraw(self) -> None:
        """Take back a call that is not answered and whose client has reset it, or has left."""

    # What it can use

    def respond(self, message: list[bytes]) -> None:
        """Answer a unary call: a message, and status 0."""
        if not self.answered:
            self.connection.sending.respond(self, message)

    def fail(self, status: int, text: str) -> None:
        """End with a status of gRPC and a text."""
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
        """Charge `size` bytes for its message, or for its answer, from now on."""
        self.connection.budget.charge(self.account, self.charged, size)
        self.charged = size

    def settle(self) -> None:
        """Charge what is held for it now: messages that arrive, and answers that wait."""
        held = 0 if self.answered else self.size
        if self.unsent is not None:
            held += self.unsent.size
        if held != self.charged:
            self.charge(held)

    def give_back(self) -> None:
        """Take what is charged out of the budget."""
        if self.charged:
            self.charge(0)
