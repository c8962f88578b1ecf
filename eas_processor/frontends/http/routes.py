"""The interface between HTTP and the frontends: fast routes, slow routes, refusals."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from eas_processor.contracts.account import Account
from eas_processor.contracts.refusals import Refusal
from eas_processor.frontends.http.head import Head
from eas_processor.frontends.http.refusals import ContentTooLarge, EngineFailed, HttpRefusal
from eas_processor.frontends.http.request import HttpRequest, Reply

if TYPE_CHECKING:
    from eas_processor.frontends.http.connection import HttpConnection

log = logging.getLogger("eas_processor.engine")


class Routes(Protocol):
    """The routes of a server."""

    refuses_in_json: bool
    """Whether refusals are JSON for every client; else only for clients that accept JSON."""

    def find(self, head: Head, headers: Mapping[bytes, bytes]) -> Route:
        """Return the route of requests with this head; `headers` has lower-case names."""


class Route:
    """
    Answers the requests with one head.

    A fast route makes calls of a service. It `repeats`: a connection may use it again for the same
    bytes while it `holds`. `account` is the account of the service.
    """

    __slots__ = ("head",)
    repeats = False
    account: Account | None = None

    def __init__(self, head: Head) -> None:
        self.head = head

    def holds(self) -> bool:
        """Whether the same bytes would still find the same route."""
        return False

    def open(self, connection: HttpConnection, now: float) -> HttpRequest:
        """Begin a request whose head was complete `now`; `refusal` is set if it is not admitted."""
        raise NotImplementedError


class Refused(Route):
    """Refuses every request with this head."""

    __slots__ = ("_refusal",)
    request_type = HttpRequest

    def __init__(self, head: Head, refusal: HttpRefusal) -> None:
        super().__init__(head)
        self._refusal = refusal

    def open(self, connection: HttpConnection, now: float) -> HttpRequest:
        request = self.request_type(self, connection)
        request.refusal = self._refusal
        return request


Handler = Callable[[HttpRequest], Reply | Coroutine[Any, Any, Reply]]


class SlowRequest(HttpRequest):
    """A request that a handler answers."""

    __slots__ = ()
    route: SlowRoute

    def received(self, now: float) -> None:
        self.route.run(self)


class SlowRoute(Route):
    """
    Calls a handler: a function, or a coroutine function, which runs as a task.

    A handler raises a Refusal to refuse. It runs to its end even if the client disconnects.
    """

    __slots__ = ("_handler", "_takes_body")
    request_type = SlowRequest

    def __init__(self, head: Head, handler: Handler, *, takes_body: bool = False) -> None:
        super().__init__(head)
        self._handler = handler
        self._takes_body = takes_body

    def open(self, connection: HttpConnection, now: float) -> HttpRequest:
        request = self.request_type(self, connection)
        if not self._takes_body and (self.head.length or self.head.chunked):
            sentence = "this route takes no body; send the request without one"
            request.refusal = ContentTooLarge(sentence)
        return request

    def run(self, request: HttpRequest) -> None:
        """Answer `request` with the handler."""
        try:
            outcome = self._handler(request)
        except Exception as error:
            _fail(request, error)
            return
        if isinstance(outcome, Reply):
            request.respond(*outcome)
        else:
            request.connection.server.spawn(_finish(request, outcome))


async def _finish(request: HttpRequest, outcome: Coroutine[Any, Any, Reply]) -> None:
    try:
        reply = await outcome
    except asyncio.CancelledError:
        request.connection.abort()
        raise
    except Exception as error:
        _fail(request, error)
    else:
        request.respond(*reply)


def _fail(request: HttpRequest, error: Exception) -> None:
    if not isinstance(error, Refusal):
        log.error("answering a request failed", exc_info=error)
        error = EngineFailed("the engine failed; its log has the traceback")
    request.refuse(error)
