"""Writes the answers of an HTTP connection in the order of its requests."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from eas_processor.frontends.http.flow import FlowControl
from eas_processor.frontends.http.heads import BYTES
from eas_processor.frontends.http.parsing import HEAD
from eas_processor.frontends.http.request import HttpRequest, Reply
from eas_processor.link.frames import BULK_SIZE

if TYPE_CHECKING:
    from eas_processor.frontends.http.connection import HttpConnection
    from eas_processor.frontends.http.server import HttpServer


class Answers:
    """
    The unanswered requests of a connection, and the writing of their answers.

    `closed` tells whether the last answer has been written. Later answers are discarded.
    """

    def __init__(
        self, connection: HttpConnection, transport: asyncio.Transport, flow: FlowControl
    ) -> None:
        self.pipeline: deque[HttpRequest] = deque()
        self.closed = False
        self._connection = connection
        self._server: HttpServer = connection.server
        self._transport = transport
        self._flow = flow

    def reply_usual(self, request: HttpRequest, answer: bytes) -> None:
        """Write the usual success; at once, if no earlier answer is missing."""
        if self.closed:
            return
        server, pipeline, head = self._server, self.pipeline, request.head
        if (
            len(pipeline) == 1
            and head.plain
            and request.keep_alive
            and not server.draining
            and not server.observers
        ):
            pipeline.clear()
            request.answered = True
            self._transport.write(server.heads.build_usual(request.number, head.request_id, answer))
            if self._flow.blocked:
                self._flow.charge_unread()
        else:
            self.reply(request, Reply(200, BYTES, [answer]))

    def reply(self, request: HttpRequest, reply: Reply) -> None:
        """Write an answer as soon as the earlier ones are written."""
        if self.closed:
            return
        connection, pipeline = self._connection, self.pipeline
        request.answered = True
        request.reply = reply
        parts: list[bytes] = []
        while pipeline and (answered := pipeline[0].reply) is not None:
            first = pipeline.popleft()
            if self._server.draining and not pipeline and connection.arriving != HEAD:
                first.keep_alive = False
            self._add(parts, first, answered)
            first.give_back()
            first.reply = None
            if not first.keep_alive:
                self._write(parts)
                linger = first is connection.request or bool(pipeline) or not self._flow.reading
                connection.close(linger=linger)
                return
        if request.reply is not None:
            self._charge_kept(request, reply.payload)
        self._write(parts)
        if not self._flow.reading:
            connection.read_or_hold()

    def withdraw(self) -> None:
        """Withdraw the unanswered requests, and discard later answers."""
        self.closed = True
        for request in self.pipeline:
            if not request.answered:
                request.withdraw()
            request.give_back()
        self.pipeline.clear()

    def release(self) -> None:
        """Drop the reference to the closed connection, so that no cycle keeps it alive."""
        del self._connection

    def _charge_kept(self, request: HttpRequest, payload: list[bytes]) -> None:
        """Charge an answer that is kept until the earlier ones are written."""
        budget = self._server.budget
        request.charge(sum(map(len, payload)))
        if budget.free < 0:
            budget.drop_unread()
        if budget.free < 0:
            self._flow.drop("its answers that wait for an earlier one use up the memory")

    def _write(self, parts: list[bytes]) -> None:
        """Write answers; small ones are joined into one buffer."""
        if sum(map(len, parts)) <= BULK_SIZE:
            self._transport.write(b"".join(parts))
        else:
            self._transport.writelines(parts)
        if self._flow.blocked:
            self._flow.charge_unread()

    def _add(self, parts: list[bytes], request: HttpRequest, reply: Reply) -> None:
        """Append the bytes of an answer to `parts`."""
        status, content_type, payload = reply
        length = sum(map(len, payload))
        if length > BULK_SIZE:
            self._flow.account = request.account
        for each in self._server.observers:
            each.note(request, self._flow.client(), status, length)
        head = self._server.heads.build(
            status,
            request.id,
            content_type,
            length,
            keep_alive=request.keep_alive,
            old=request.head.old,
            extra=request.answer_lines(),
        )
        parts.append(head)
        if request.head.method != b"HEAD":
            parts += payload
