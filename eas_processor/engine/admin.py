"""The admin routes, on a port and with a token of their own."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from collections.abc import Awaitable, Callable
from typing import Any, cast

import httptools

from eas_processor.engine.auth import TokenCheck
from eas_processor.engine.updates import Updates
from eas_processor.errors import RequestError, SetupError, StartError

log = logging.getLogger("eas_processor.engine")

_MAX_HEAD = 16 * 1024
_PATIENCE_S = 10.0
_REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found"}
_REASONS |= {405: "Method Not Allowed", 409: "Conflict", 500: "Internal Server Error"}

Route = Callable[[], Awaitable[dict[str, Any]]]


class AdminServer:
    """
    Answers at `/admin/...`, one request a connection.

    GET /admin/instances; POST /admin/reload and /admin/rollback answer when the change is over:
    409 with the reason when the version before still serves.
    """

    def __init__(self, updates: Updates, token: str) -> None:
        self.auth = TokenCheck(token, "")
        self.routes: dict[bytes, tuple[bytes, Route]] = {
            b"/admin/instances": (b"GET", self._instances),
            b"/admin/reload": (b"POST", updates.reload),
            b"/admin/rollback": (b"POST", updates.rollback),
        }
        self.tasks: set[asyncio.Task[None]] = set()
        self._updates = updates
        self._server: asyncio.Server | None = None

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
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _AdminConnection(self), sock=listener)
        return f"http://127.0.0.1:{listener.getsockname()[1]}"

    async def close(self) -> None:
        """Listen no more, and end what is under way."""
        if self._server is not None:
            self._server.close()
        tasks = list(self.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _instances(self) -> dict[str, Any]:
        return self._updates.describe()


class _AdminConnection(asyncio.Protocol):
    """One request and its answer."""

    def __init__(self, server: AdminServer) -> None:
        self._server = server
        self._parser = httptools.HttpRequestParser(self)
        self._target = b""
        self._headers: dict[bytes, bytes] = {}
        self._received = 0
        self._asked = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._timer = asyncio.get_running_loop().call_later(_PATIENCE_S, self._transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        self._received += len(data)
        if self._asked:
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass  # an offer of HTTP/2 over clear text, which may be ignored; it ended the request
        except httptools.HttpParserError:
            self._answer(400, {"error": "the request is not valid HTTP/1.1"})
        else:
            if self._received > _MAX_HEAD and not self._asked:
                self._answer(400, {"error": "the request is too large"})

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.lower()] = value.rstrip()

    def on_message_complete(self) -> None:
        if self._asked:
            return
        self._asked = True
        self._timer.cancel()
        task = asyncio.create_task(self._respond(self._parser.get_method()))
        self._server.tasks.add(task)
        task.add_done_callback(self._server.tasks.discard)

    async def _respond(self, method: bytes) -> None:
        refused = self._server.auth.refusal(method, self._target, self._headers)
        path = self._target.partition(b"?")[0]
        allowed, route = self._server.routes.get(path, (b"", self._unknown))
        if refused is not None:
            self._answer(refused.status, {"error": f"{refused} (the admin token)"})
        elif allowed and method != allowed:
            self._answer(405, {"error": f"expected {allowed.decode()} here"})
        else:
            try:
                self._answer(200, await route())
            except RequestError as error:
                self._answer(error.status, {"error": str(error)})
            except SetupError as error:
                self._answer(409, {"error": str(error)})
            except Exception:
                log.exception("an admin request failed")
                self._answer(500, {"error": "the engine failed; its log has the traceback"})

    async def _unknown(self) -> dict[str, Any]:
        raise _NoRoute(f"there is no such route; there are {self._known()}")

    def _known(self) -> str:
        return ", ".join(path.decode() for path in self._server.routes)

    def _answer(self, status: int, content: dict[str, Any]) -> None:
        self._asked = True
        body = json.dumps(content, indent=1).encode() + b"\n"
        head = (
            f"HTTP/1.1 {status} {_REASONS.get(status, 'Unknown')}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
            "Connection: close\r\n\r\n"
        )
        if not self._transport.is_closing():
            self._transport.write(head.encode() + body)
            self._transport.close()


class _NoRoute(RequestError):
    status = 404
