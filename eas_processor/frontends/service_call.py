"""Calls of a service over HTTP, for every protocol: how they are counted and answered."""

from __future__ import annotations

from eas_processor.frontends.http.head import Head
from eas_processor.frontends.http.request import HttpRequest
from eas_processor.frontends.http.routes import Route
from eas_processor.link.frames import BULK_SIZE
from eas_processor.serving.service import Service


class ServiceRoute(Route):
    """Calls of `service` with one head, whose token was valid."""

    __slots__ = ("_tokens", "account", "service")
    repeats = True

    def __init__(self, head: Head, service: Service) -> None:
        super().__init__(head)
        self.service = service
        self.account = service.account
        self._tokens = service.tokens

    def holds(self) -> bool:
        """Whether the token is still valid. A service that is removed gets other tokens."""
        return self.service.tokens is self._tokens


class ServiceCall(HttpRequest):
    """One call; each protocol has a subclass. `left_status` counts clients that disconnected."""

    __slots__ = ()
    route: ServiceRoute
    left_status: int

    def withdraw(self) -> None:
        if self.refusal is None:
            self.route.service.withdraw(self)
            self.route.service.metrics.codes[self.left_status] += 1

    def settle(
        self, status: int, content_type: bytes, payload: list[bytes], *, own: bool = False
    ) -> None:
        """
        Count the answer and write it, or a refusal if the budget has no room for it.

        With `own`, the processor itself chose the status, and the body is written unchanged.
        """
        self.body = []
        self.give_back()
        size, budget = sum(map(len, payload)), self.connection.budget
        if size > BULK_SIZE and not budget.make_fit(size, self.account):
            refusal = budget.answer_refusal(size, self.account)
            status, payload, own = self.status_of(refusal), [str(refusal).encode()], False
        if self.refusal is None:
            self.route.service.end(self)
            self.route.service.metrics.codes[status] += 1
        else:
            self.connection.server.refused[status] += 1
        if status == 200 or own:
            self.respond(status, content_type, payload)
        else:
            self.respond_refusal(status, b"".join(payload))
