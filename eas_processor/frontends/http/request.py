"""One HTTP request: its head, its body as it arrives, and its answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from eas_processor.contracts.account import Account
from eas_processor.contracts.call import Call
from eas_processor.contracts.refusals import Refusal
from eas_processor.frontends.http.head import JSON_TYPE
from eas_processor.frontends.http.heads import TEXT, request_id
from eas_processor.frontends.http.refusals import HttpRefusal

if TYPE_CHECKING:
    from eas_processor.frontends.http.connection import HttpConnection
    from eas_processor.frontends.http.inflate import Inflater
    from eas_processor.frontends.http.routes import Route


class Reply(NamedTuple):
    """An answer, before it is written."""

    status: int
    content_type: bytes
    payload: list[bytes]


def _http_status(refusal: Refusal) -> int:
    return refusal.status if isinstance(refusal, HttpRefusal) else 500


class HttpRequest(Call):
    """
    A request and the connection to which its answer goes. Each frontend has a subclass.

    `status_of` returns the HTTP status of a refusal. `route` made the request from the `head`.
    `refusal` is set if it is not admitted. `charged` are its bytes in the engine's budget.
    `answered` tells whether there is an answer, and `reply` is that answer while it waits for
    earlier ones.
    """

    __slots__ = (
        "answered",
        "charged",
        "connection",
        "head",
        "inflater",
        "keep_alive",
        "refusal",
        "reply",
        "route",
    )

    status_of: Callable[[Refusal], int] = staticmethod(_http_status)

    def __init__(self, route: Route, connection: HttpConnection) -> None:
        Call.__init__(self)
        head = route.head
        self.route = route
        self.head = head
        self.connection = connection
        self.began = connection.since
        self.keep_alive = head.keep_alive
        self.charged = 0
        self.answered = False
        self.reply: Reply | None = None
        self.refusal: Refusal | None = None
        self.inflater: Inflater | None = None

    @property
    def id(self) -> bytes:
        """The id that the client sent, or a unique one."""
        return self.head.request_id or request_id(self.number)

    @property
    def account(self) -> Account | None:
        """The account for a large body or answer; None if it is not a call of a service."""
        return self.route.account

    # Overridden by frontends

    def received(self, now: float) -> None:
        """Process an admitted request whose body has arrived."""
        raise NotImplementedError

    def withdraw(self) -> None:
        """Withdraw a request whose client has disconnected."""

    def refuse(self, refusal: Refusal) -> None:
        self.refusal = refusal
        status = self.status_of(refusal)
        self.connection.server.refused[status] += 1
        self.respond_refusal(status, str(refusal).encode())

    def answer_lines(self) -> bytes:
        """Return additional header lines, when the answer is written."""
        return self.refusal.lines if isinstance(self.refusal, HttpRefusal) else b""

    @property
    def takes_json(self) -> bool:
        """Whether refusals are JSON."""
        return self.head.takes_json

    # Used by frontends

    def respond_refusal(self, status: int, sentence: bytes) -> None:
        """Answer with a sentence, as text or as JSON if the client accepts that."""
        if self.takes_json or self.connection.server.routes.refuses_in_json:
            error = {
                "error": sentence.decode(errors="replace"),
                "code": status,
                "request_id": self.id.decode(),
            }
            self.respond(status, JSON_TYPE, [json.dumps(error).encode()])
        else:
            self.respond(status, TEXT, [sentence])

    def respond(self, status: int, content_type: bytes, payload: list[bytes]) -> None:
        """Release the body, and write the answer in the order of the requests."""
        self.body = []
        self.give_back()
        if status == 408:
            self.keep_alive = False
        self.connection.answers.reply(self, Reply(status, content_type, payload))

    def charge(self, size: int) -> None:
        """Charge `size` bytes for the body or the answer, instead of those until now."""
        self.connection.budget.charge(self.account, self.charged, size)
        self.charged = size

    def give_back(self) -> None:
        """Release the bytes that are charged for the body or the answer."""
        if self.charged:
            self.charge(0)
