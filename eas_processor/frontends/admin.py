"""The admin routes, on a port and with a token of their own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import httptools

from eas_processor.contracts.counters import EngineMetric
from eas_processor.contracts.refusals import NotFound, Refusal
from eas_processor.errors import SetupError, StartError
from eas_processor.frontends.eas.statuses import status_of
from eas_processor.frontends.eas.token_check import token_refusal
from eas_processor.serving.tokens import Tokens
from eas_processor.serving.updates import Updates

log = logging.getLogger("eas_processor.engine")

_MAX_REQUEST = 16 * 1024
_STRANGERS = 16
"""Connections that have not shown the token; one more takes the place of the oldest."""
_CALLS = 16
"""Requests with the token that are worked on; a reload takes minutes."""
MOST_CONNECTIONS = _STRANGERS + _CALLS
_PATIENCE_S = 2.0
"""How long a request may take to arrive."""
_SEND_S = 10.0
_BACKLOG = 1024
_NO_DESCRIPTOR_S = 0.1
_REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found"}
_REASONS |= {405: "Method Not Allowed", 409: "Conflict", 500: "Internal Server Error"}
_REASONS |= {503: "Service Unavailable"}

Route = Callable[[], Awaitable[dict[str, Any]]]


class AdminServer:
    """
    Answers at `/admin/...`, one request a connection; few connections at a time.

    GET /admin/instances; POST /admin/reload and /admin/rollback answer when the change is over:
    409 with the reason when the version before still serves.
    """

    def __init__(self, updates: Updates, token: str) -> None:
        self._tokens = Tokens(token)
        self.routes: dict[bytes, tuple[bytes, Route]] = {
            b"/admin/instances": (b"GET", self._instances),
            b"/admin/reload": (b"POST", updates.reload),
            b"/admin/rollback": (b"POST", updates.rollback),
        }
        self.tasks: set[asyncio.Task[None]] = set()
        """One for each open connection."""
        self.dropped = 0
        """Connections that were closed without an answer."""
        self._strangers: dict[asyncio.Task[None], None] = {}
        """Those that have not shown the token, oldest first."""
        self._updates = updates
        self._listener: socket.socket | None = None

    async def listen(self, port: int) -> str:
        """Listen on the loopback address; return `http://HOST:PORT`. Raises StartError."""
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError as error:
            listener.close()
            raise StartError(
                f"cannot listen on 127.0.0.1:{port}: {error.strerror}; "
                "choose another with --admin-port"
            ) from error
        listener.setblocking(False)
        listener.listen(_BACKLOG)
        self._listener = listener
        asyncio.get_running_loop().add_reader(listener, self._accept)
        return f"http://127.0.0.1:{listener.getsockname()[1]}"

    def metrics(self) -> list[EngineMetric]:
        """Return what `/metrics` shows of the admin port."""
        return [
            EngineMetric(
                "admin_connections", "gauge", "Connections to the admin port.", len(self.tasks)
            ),
            EngineMetric(
                "admin_dropped_total",
                "counter",
                "Admin connections closed for others, or without a token in time.",
                self.dropped,
            ),
        ]

    async def close(self) -> None:
        """Listen no more, and end what is under way."""
        listener, self._listener = self._listener, None
        if listener is not None:
            asyncio.get_running_loop().remove_reader(listener)
            listener.close()
        tasks = list(self.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # Connections

    def _accept(self) -> None:
        """Take one connection: what it has sent is read before the next is taken."""
        assert self._listener is not None
        try:
            connection = self._listener.accept()[0]
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError:
            # No descriptor is left: who waits in the backlog would wake the loop without end.
            loop = asyncio.get_running_loop()
            loop.remove_reader(self._listener)
            loop.call_later(_NO_DESCRIPTOR_S, self._accept_again)
            return
        if len(self._strangers) >= _STRANGERS:
            oldest = next(iter(self._strangers))
            del self._strangers[oldest]
            oldest.cancel()
            self.dropped += 1
        task = asyncio.create_task(self._converse(connection))
        self._strangers[task] = None
        self.tasks.add(task)
        task.add_done_callback(self._ended)

    def _accept_again(self) -> None:
        if self._listener is not None:
            asyncio.get_running_loop().add_reader(self._listener, self._accept)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._strangers.pop(task, None)
        self.tasks.discard(task)

    async def _converse(self, connection: socket.socket) -> None:
        """Read a request and answer it."""
        with connection:
            connection.setblocking(False)
            request = _AdminRequest()
            try:
                await asyncio.wait_for(_read(connection, request), _PATIENCE_S)
            except (asyncio.TimeoutError, OSError):
                self.dropped += 1
                return
            answer = _answer(*await self._respond(request))
            # The client may have left; what it has asked for is done all the same.
            with contextlib.suppress(asyncio.TimeoutError, OSError):
                sending = asyncio.get_running_loop().sock_sendall(connection, answer)
                await asyncio.wait_for(sending, _SEND_S)

    async def _respond(self, request: _AdminRequest) -> tuple[int, dict[str, Any]]:
        """Return the status and content of the answer."""
        if request.fault:
            return 400, {"error": request.fault}
        refused = token_refusal(self._tokens, "", request.method, request.target, request.headers)
        if refused is not None:
            return status_of(refused), {"error": f"{refused} (the admin token)"}
        if len(self.tasks) - len(self._strangers) >= _CALLS:
            return 503, {"error": f"{_CALLS} admin requests are under way; try again later"}
        task = asyncio.current_task()
        assert task is not None
        self._strangers.pop(task, None)
        path = request.target.partition(b"?")[0]
        allowed, route = self.routes.get(path, (b"", self._unknown))
        if allowed and request.method != allowed:
            return 405, {"error": f"expected {allowed.decode()} here"}
        try:
            return 200, await route()
        except Refusal as error:
            return status_of(error), {"error": str(error)}
        except SetupError as error:
            return 409, {"error": str(error)}
        except Exception:
            log.exception("an admin request failed")
            return 500, {"error": "the engine failed; its log has the traceback"}

    # Routes

    async def _unknown(self) -> dict[str, Any]:
        known = ", ".join(path.decode() for path in self.routes)
        raise NotFound(f"there is no such route; there are {known}")

    async def _instances(self) -> dict[str, Any]:
        return self._updates.describe()


class _AdminRequest:
    """What has arrived of a request."""

    def __init__(self) -> None:
        self.method = b""
        self.target = b""
        self.headers: dict[bytes, bytes] = {}
        self.fault = ""
        self.whole = False
        self._received = 0
        self._parser = httptools.HttpRequestParser(self)

    def feed(self, data: bytes) -> None:
        """Take what was received; then the request may be `whole`, or have a `fault`."""
        self._received += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass  # an offer of HTTP/2 over clear text, which may be ignored; it ended the request
        except httptools.HttpParserError:
            if not self.whole:
                self.fault = "the request is not valid HTTP/1.1"
        if self._received > _MAX_REQUEST and not self.whole:
            self.fault = "the request is too large"

    # httptools' side

    def on_url(self, url: bytes) -> None:
        if not self.whole:
            self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.whole:
            self.headers[name.lower()] = value.rstrip()

    def on_message_complete(self) -> None:
        if not self.whole:
            self.whole = True
            self.method = self._parser.get_method()


async def _read(connection: socket.socket, request: _AdminRequest) -> None:
    """Read until the request is whole or wrong. Raises OSError when the client leaves before."""
    loop = asyncio.get_running_loop()
    while not (request.whole or request.fault):
        data = await loop.sock_recv(connection, 2 * _MAX_REQUEST)
        if not data:
            raise ConnectionError
        request.feed(data)


def _answer(status: int, content: dict[str, Any]) -> bytes:
    body = json.dumps(content, indent=1).encode() + b"\n"
    head = (
        f"HTTP/1.1 {status} {_REASONS.get(status, 'Unknown')}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        "Connection: close\r\n\r\n"
    )
    return head.encode() + body
