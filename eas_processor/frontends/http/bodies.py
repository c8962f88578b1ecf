"""Request bodies as they arrive: charged, inflated if compressed, and passed on when complete."""

from __future__ import annotations

from functools import partial
from time import monotonic
from typing import TYPE_CHECKING

from eas_processor.contracts.refusals import Refusal
from eas_processor.frontends.http import checks
from eas_processor.link.frames import BULK_SIZE

if TYPE_CHECKING:
    from eas_processor.frontends.http.connection import HttpConnection
    from eas_processor.frontends.http.inflate import Inflater
    from eas_processor.frontends.http.request import HttpRequest

_SMALL_PIECE = 4096
"""Smaller pieces of a body are joined, because a list of single bytes takes 8 times the memory."""


class Bodies:
    """
    The bodies of one connection's requests.

    `inflating` counts the bodies that are inflated in turns of the event loop (`Turns`), because a
    compressed body can become a thousand times as long.
    """

    __slots__ = ("_connection", "inflating")

    def __init__(self, connection: HttpConnection) -> None:
        self._connection = connection
        self.inflating = 0

    def add(self, request: HttpRequest | None, data: bytes) -> None:
        """Take a piece of a body, or discard it if the request is refused or answered already."""
        if request is None or request.refusal is not None or request.answered:
            return
        inflater = request.inflater
        if inflater is None:
            self._keep(request, data)
            return
        waits = inflater.pending
        inflater.feed(data)
        if not waits and self._inflate(request, inflater):
            self.inflating += 1
            self._connection.read_or_hold()
            self._connection.server.turns.add(partial(self._inflate_on, request, inflater))

    def end(self, request: HttpRequest, now: float) -> None:
        """Pass on or refuse a request whose body has arrived, or wait until it is inflated."""
        inflater = request.inflater
        if request.refusal is not None:
            request.refuse(request.refusal)
        elif inflater is None:
            request.received(now)
        elif inflater.pending:
            inflater.whole = True
        else:
            _finish(request, inflater)

    def _keep(self, request: HttpRequest, data: bytes) -> None:
        """Add a piece to a body and charge it, or refuse the request."""
        connection = self._connection
        body, budget, account = request.body, connection.budget, request.account
        size = request.size = request.size + len(data)
        if size > connection.server.settings.max_body:
            limit = connection.server.settings.max_body
            connection.refuse_now(request, checks.body_too_large(limit))
        elif not budget.make_fit(len(data), account, small=size <= BULK_SIZE):
            connection.refuse_now(request, budget.body_refusal(len(data), account))
        else:
            request.charge(size)
            if body and len(body[-1]) < _SMALL_PIECE and len(data) < _SMALL_PIECE:
                body[-1] += data
            else:
                body.append(data)

    def _inflate(self, request: HttpRequest, inflater: Inflater) -> bool:
        """Inflate a piece of a body; return whether more received bytes are left to inflate."""
        try:
            data = inflater.take()
        except Refusal as refusal:
            self._connection.refuse_now(request, refusal)
            return False
        if data:
            self._keep(request, data)
        return inflater.pending and not request.answered

    def _inflate_on(self, request: HttpRequest, inflater: Inflater) -> bool:
        """Inflate another piece in a turn of its own; return whether more is left."""
        connection = self._connection
        closed = connection.answers.closed
        if not closed and not request.answered and self._inflate(request, inflater):
            return True
        self.inflating -= 1
        if not connection.answers.closed:
            if inflater.whole and not request.answered:
                _finish(request, inflater)
            connection.read_or_hold()
        return False


def _finish(request: HttpRequest, inflater: Inflater) -> None:
    try:
        inflater.finish()
    except Refusal as refusal:
        request.refuse(refusal)
    else:
        request.received(monotonic())
