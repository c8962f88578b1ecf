"""The admin routes, on a port and with a token of their own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from time import monotonic
from typing import Any, Protocol
from urllib.parse import parse_qs

from eas_processor.contracts.counters import EngineMetric
from eas_processor.contracts.refusals import Unauthorized
from eas_processor.contracts.settings import EngineSettings
from eas_processor.errors import SetupError, StartError
from eas_processor.frontends.http.checks import shown
from eas_processor.frontends.http.connection import HttpConnection
from eas_processor.frontends.http.head import JSON_TYPE, Head
from eas_processor.frontends.http.refusals import Crowded, HttpRefusal, MethodNotAllowed
from eas_processor.frontends.http.request import HttpRequest, Reply
from eas_processor.frontends.http.routes import Refused, Route, SlowRoute
from eas_processor.frontends.http.server import HttpServer
from eas_processor.frontends.metrics import TEXT_FORMAT
from eas_processor.frontends.token_check import token_refusal
from eas_processor.serving.background import end_tasks
from eas_processor.serving.tokens import Tokens

log = logging.getLogger("eas_processor.engine")

_MAX_REQUEST = 16 * 1024
"""Bytes of a head, and of a body, which nothing here reads."""
_STRANGERS = 16
"""Connections that have not shown the token; one more takes the place of the oldest."""
_CALLS = 16
"""Connections whose requests had the token; a reload takes minutes."""
MOST_CONNECTIONS = _STRANGERS + _CALLS
_PATIENCE_S = 2.0
"""How long a connection may take to show the token."""
_SEND_S = 10.0
_BACKLOG = 1024
_NO_DESCRIPTOR_S = 0.1

Work = Callable[[Head], Awaitable[Reply]]


class Managed(Protocol):
    """One service, as the admin routes see it."""

    @property
    def name(self) -> str:
        """Its name, or what it is called as long as it has none."""

    def describe(self) -> dict[str, Any]:
        """Return its state, instances and last update, as JSON can hold them."""

    async def reload(self) -> dict[str, Any]:
        """Serve what its source says now. Raises SetupError."""

    async def rollback(self) -> dict[str, Any]:
        """Serve the version before. Raises SetupError."""


class Manager(Protocol):
    """The services of the engine, which come and go."""

    def managed(self) -> Sequence[Managed]:
        """Return one for each, in the order in which they came."""

    async def metrics_text(self) -> bytes:
        """Return the text of `/metrics`, with all services."""


class AdminServer:
    """
    Answers at `/admin/...`, one request a connection; few connections at a time.

    GET /admin/services, /admin/instances and /metrics; POST /admin/reload and /admin/rollback
    answer when the change is over: 409 with the reason when the version before still serves.
    `?service=NAME` says which is meant, where there are several. Whoever has `token`, or the
    `token_of` a service that is managed here, may do all of it; '' is no token, and `token_of`
    raises SetupError for one that cannot be read. It is plain HTTP, as it listens on the loopback
    address alone, and `eascmd` signs its requests instead of sending the token.
    """

    refuses_in_json = True

    def __init__(self, manager: Manager, token: str, token_of: Callable[[str], str]) -> None:
        self._manager = manager
        self._token = Tokens(token)
        self._token_of = token_of
        self._tokens: dict[str, Tokens] = {}
        """Those of the services, as they were when first read."""
        self._unread: dict[str, str] = {}
        """Why the token of a service could not be read."""
        self._work: dict[bytes, tuple[bytes, Work]] = {
            b"/admin/services": (b"GET", self._services),
            b"/admin/instances": (b"GET", self._instances),
            b"/admin/reload": (b"POST", self._reload),
            b"/admin/rollback": (b"POST", self._rollback),
            b"/metrics": (b"GET", self._metrics),
        }
        settings = EngineSettings(
            max_body=_MAX_REQUEST,
            max_buffered=64 * _MAX_REQUEST,
            max_connections=MOST_CONNECTIONS,
            max_head=_MAX_REQUEST,
            send_timeout=_SEND_S,
        )
        self._http = HttpServer(settings, self, keep_alive=False)
        self.dropped = 0
        """Connections that were closed without an answer."""
        self._strangers: dict[HttpConnection, float] = {}
        """Those that have not shown the token, and when they came, oldest first."""
        self._callers: dict[HttpConnection, None] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._listener: socket.socket | None = None

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._http.connections)

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
        self._http.start_clock()
        self._tasks = [
            asyncio.create_task(self._accept_all(listener)),
            asyncio.create_task(self._watch_strangers()),
        ]
        return f"http://127.0.0.1:{listener.getsockname()[1]}"

    async def close(self) -> None:
        """Listen no more, and end what is under way."""
        await end_tasks(self._tasks)
        if self._listener is not None:
            self._listener.close()
        await self._http.end_tasks()
        self._http.close()

    def metrics(self) -> list[EngineMetric]:
        """Return what `/metrics` shows of the admin port."""
        return [
            EngineMetric(
                "admin_connections", "gauge", "Connections to the admin port.", self.connections
            ),
            EngineMetric(
                "admin_dropped_total",
                "counter",
                "Admin connections closed for others, or without a token in time.",
                self.dropped,
            ),
        ]

    # Requests

    def find(self, head: Head, headers: Mapping[bytes, bytes]) -> Route:
        """Return who answers; without the token nothing is said of what there is."""
        refused = None
        for tokens in self._accepted():
            refused = token_refusal(tokens, "", head.method, head.target, headers)
            if refused is None and not tokens.public:
                return _AdminRoute(head, self)
        refused = refused or Unauthorized("there is no admin token")
        return Refused(head, HttpRefusal(f"{refused} (the admin token)", 401))

    def _accepted(self) -> list[Tokens]:
        names = {each.name for each in self._manager.managed()}
        for known in (self._tokens, self._unread):
            for name in known.keys() - names:
                del known[name]
        for name in names - self._tokens.keys():
            # One that has none yet is asked for again: its file may tell its name later.
            if token := self._read_token(name):
                self._tokens[name] = Tokens(token)
        return [self._token, *self._tokens.values()]

    def _read_token(self, name: str) -> str:
        """Return the token of a service; the log says once why it cannot be read."""
        try:
            return self._token_of(name)
        except SetupError as error:
            # The tokens of the other services still open the door.
            if self._unread.get(name) != str(error):
                self._unread[name] = str(error)
                log.error("%s: its admin token opens nothing: %s", name, error)
            return ""

    def let_in(self, request: HttpRequest) -> None:
        """Let in a request with the token, unless too many of them are under way."""
        self._forget_closed()
        if len(self._callers) >= _CALLS:
            request.refusal = Crowded(f"{_CALLS} admin requests are under way; try again later")
            return
        self._callers[request.connection] = None
        self._strangers.pop(request.connection, None)

    async def work(self, head: Head) -> Reply:
        """Do what is asked for. Raises HttpRefusal."""
        method, work = self._work.get(head.path, (b"", self._services))
        if not method:
            known = ", ".join(path.decode() for path in self._work)
            raise HttpRefusal(f"there is no such route; there are {known}", 404)
        if head.method != method:
            raise MethodNotAllowed(f"expected {method.decode()} here", method)
        try:
            return await work(head)
        except SetupError as error:
            raise HttpRefusal(str(error), 409) from error

    async def _services(self, _: Head) -> Reply:
        return _json([_summary(each.describe()) for each in self._manager.managed()])

    async def _instances(self, head: Head) -> Reply:
        return _json(self._meant(head).describe())

    async def _reload(self, head: Head) -> Reply:
        return _json(await self._meant(head).reload())

    async def _rollback(self, head: Head) -> Reply:
        return _json(await self._meant(head).rollback())

    async def _metrics(self, _: Head) -> Reply:
        return Reply(200, TEXT_FORMAT, [await self._manager.metrics_text()])

    def _meant(self, head: Head) -> Managed:
        """Return the service that a request is about. Raises HttpRefusal."""
        query = head.target.partition(b"?")[2].decode("latin-1")
        name = "".join(parse_qs(query).get("service", [])[:1])
        managed = self._manager.managed()
        names = ", ".join(dict.fromkeys(each.name for each in managed)) or "none"
        if not name:
            if len(managed) == 1:
                return managed[0]
            raise HttpRefusal(f"name a service with ?service=NAME; there are {names}", 400)
        # Of several that have one name only the first could take it: the others have failed.
        found = [each for each in managed if each.name == name]
        if not found:
            raise HttpRefusal(
                f"there is no service {shown(name.encode())} here; there are {names}", 404
            )
        return min(found, key=lambda each: each.describe()["state"] == "failed")

    # Connections

    async def _accept_all(self, listener: socket.socket) -> None:
        while True:
            await self._accept(listener)

    async def _accept(self, listener: socket.socket) -> None:
        """Take one connection: what it has sent is read before many others are taken."""
        loop = asyncio.get_running_loop()
        try:
            accepted, _ = await loop.sock_accept(listener)
        except ConnectionAbortedError:
            return
        except OSError:
            # No descriptor is left: who waits in the backlog would wake the loop without end.
            await asyncio.sleep(_NO_DESCRIPTOR_S)
            return
        self._forget_closed()
        if len(self._strangers) >= _STRANGERS:
            self._drop(next(iter(self._strangers)))
        connection = HttpConnection(self._http)
        with contextlib.suppress(OSError):
            await loop.connect_accepted_socket(lambda: connection, accepted)
        if connection not in self._callers:  # it may have shown the token meanwhile
            self._strangers[connection] = monotonic()

    async def _watch_strangers(self) -> None:
        while True:
            await asyncio.sleep(_PATIENCE_S / 4)
            self._forget_closed()
            late = monotonic() - _PATIENCE_S
            for connection, came in list(self._strangers.items()):
                if came < late:
                    self._drop(connection)

    def _drop(self, stranger: HttpConnection) -> None:
        del self._strangers[stranger]
        stranger.abort()
        self.dropped += 1

    def _forget_closed(self) -> None:
        for known in (self._strangers, self._callers):
            for connection in [each for each in known if each not in self._http.connections]:
                del known[connection]


class _AdminRoute(SlowRoute):
    """Requests with the admin token."""

    __slots__ = ("_admin",)

    def __init__(self, head: Head, admin: AdminServer) -> None:
        super().__init__(head, self._work, takes_body=True)
        self._admin = admin

    def open(self, connection: HttpConnection, now: float) -> HttpRequest:
        request = super().open(connection, now)
        self._admin.let_in(request)
        return request

    async def _work(self, request: HttpRequest) -> Reply:
        return await self._admin.work(self.head)


def _json(content: object) -> Reply:
    return Reply(200, JSON_TYPE, [json.dumps(content, indent=1).encode() + b"\n"])


def _summary(facts: dict[str, Any]) -> dict[str, Any]:
    """Return what a list of services tells of one."""
    ready = sum(each["state"] in ("ready", "isolated") for each in facts["instances"])
    told = ("service", "state", "version", "wanted", "reason", "file")
    return {name: facts[name] for name in told} | {"ready": ready}
