"""One HTTP request: its head, its body as it arrives, and how it is answered."""

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
    A request with the connection that its answer goes to; each frontend has a subclass.

    `status_of` gives the status of a refusal.

    `route` made it from the `head`. `refusal` is why it is not let in. `charged` are its bytes in
    the engine's budget. `answered` is whether there is an answer, and `reply` that answer while it
    waits for those before it.
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
        """The client's own id, or one that no other request has."""
        return self.head.request_id or request_id(self.number)

    @property
    def account(self) -> Account | None:
        """Who pays for a large body or answer: the service, if it is a call of one."""
        return self.route.account

    # What a frontend says

    def received(self, now: float) -> None:
        """Act on a request that was let in, now that its body is whole."""
        raise NotImplementedError

    def withdraw(self) -> None:
        """Take back a request whose client has left; nothing is to be done for a refused one."""

    def refuse(self, refusal: Refusal) -> None:
        self.refusal = refusal
        status = self.status_of(refusal)
        self.connection.server.refused[status] += 1
        self.respond_refusal(status, str(refusal).encode())

    def answer_lines(self) -> bytes:
        """Return more header lines of the answer; called when it is written."""
        return self.refusal.lines if isinstance(self.refusal, HttpRefusal) else b""

    @property
    def takes_json(self) -> bool:
        """Whether refusals are to be JSON."""
        return self.head.takes_json

    # What it can use

    def respond_refusal(self, status: int, sentence: bytes) -> None:
        """Answer with a sentence: as text, or in JSON to a client that takes it."""
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
        """Give back what the request holds, and have its answer written when its turn comes."""
        self.body = []
        self.give_back()
        if status == 408:
            self.keep_alive = False
        self.connection.answers.reply(self, Reply(status, content_type, payload))

    def charge(self, size: int) -> None:
        """Charge `size` bytes for its body, or for its answer, from now on."""
        self.connection.budget.charge(self.account, self.charged, size)
        self.charged = size

    def give_back(self) -> None:
        """Take what is charged for the request, its body or its answer, out of the budget."""
        if self.charged:
            self.charge(0)
