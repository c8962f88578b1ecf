"""The admin routes, with a port and a token of their own."""

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
"""The most bytes of a head, and of a body, which no admin route reads."""
_UNAUTHENTICATED = 16
"""The most connections that have not sent the token. One more replaces the oldest."""
_AUTHENTICATED = 16
"""The most connections whose requests had the token. A reload takes minutes."""
MOST_CONNECTIONS = _UNAUTHENTICATED + _AUTHENTICATED
_PATIENCE_S = 2.0
"""How long a connection may take to send the token."""
_SEND_S = 10.0
_BACKLOG = 1024
_NO_DESCRIPTOR_S = 0.1

Work = Callable[[Head], Awaitable[Reply]]


class Managed(Protocol):
    """One service, as the admin routes see it."""

    @property
    def name(self) -> str:
        """Its name, or a placeholder until its service file has been read."""

    def describe(self) -> dict[str, Any]:
        """Return its state, instances and last update, in types that JSON has."""

    async def reload(self) -> dict[str, Any]:
        """Read its service file again and apply it. Raises SetupError."""

    async def rollback(self) -> dict[str, Any]:
        """Go back to the previous version. Raises SetupError."""


class Manager(Protocol):
    """The services of the engine, as the admin routes see them."""

    def managed(self) -> Sequence[Managed]:
        """Return every service, in the order in which they were added."""

    async def metrics_text(self) -> bytes:
        """Return the text of `/metrics` with all services."""


class AdminServer:
    """
    Answers the admin routes, one request for each connection, on few connections at a time.

    GET /admin/services, /admin/instances and /metrics describe the services. POST /admin/reload
    and /admin/rollback answer when the change is over, with 409 and the reason if the previous
    version still serves. If there are several services, `?service=NAME` names one. Every route
    accepts `token` and the token of each managed service (`token_of`), where '' means that there
    is none. `token_of` raises SetupError for a token that cannot be read. The server listens only
    on the loopback address, without TLS; `eascmd` signs its requests rather than send the token.
    """

    refuses_in_json = True

    def __init__(self, manager: Manager, token: str, token_of: Callable[[str], str]) -> None:
        self._manager = manager
        self._token = Tokens(token)
        self._token_of = token_of
        self._tokens: dict[str, Tokens] = {}
        """The tokens of the services, as they were when first read."""
        self._unread: dict[str, str] = {}
        """Why the token of a service could not be read, by service."""
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
        """The number of connections that were closed without an answer."""
        self._unauthenticated: dict[HttpConnection, float] = {}
        """Connections that have not sent the token, and when they were opened, oldest first."""
        self._authenticated: dict[HttpConnection, None] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._listener: socket.socket | None = None

    @property
    def connections(self) -> int:
        """The number of open connections."""
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
            asyncio.create_task(self._watch_unauthenticated()),
        ]
        return f"http://127.0.0.1:{listener.getsockname()[1]}"

    async def close(self) -> None:
        """Stop listening, and cancel running requests."""
        await end_tasks(self._tasks)
        if self._listener is not None:
            self._listener.close()
        await self._http.end_tasks()
        self._http.close()

    def metrics(self) -> list[EngineMetric]:
        """Return the metrics of the admin port."""
        return [
            EngineMetric(
                "admin_connections", "gauge", "Connections to the admin port.", self.connections
            ),
            EngineMetric(
                "admin_dropped_total",
                "counter",
                "Admin connections closed for newer ones, or without a token in time.",
                self.dropped,
            ),
        ]

    # Requests

    def find(self, head: Head, headers: Mapping[bytes, bytes]) -> Route:
        """Return the route. Without the token, a refusal does not tell which routes exist."""
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
            # A service without a token is read again, because its file may be valid later.
            if token := self._read_token(name):
                self._tokens[name] = Tokens(token)
        return [self._token, *self._tokens.values()]

    def _read_token(self, name: str) -> str:
        """Return the token of a service, or log once why it cannot be read and return ''."""
        try:
            return self._token_of(name)
        except SetupError as error:
            # The tokens of the other services are still accepted.
            if self._unread.get(name) != str(error):
                self._unread[name] = str(error)
                log.error("%s: its admin token is not accepted: %s", name, error)
            return ""

    def let_in(self, request: HttpRequest) -> None:
        """Admit a request with the token, unless too many of them are running."""
        self._forget_closed()
        if len(self._authenticated) >= _AUTHENTICATED:
            request.refusal = Crowded(
                f"too many admin requests are running (limit {_AUTHENTICATED}); try again later"
            )
            return
        self._authenticated[request.connection] = None
        self._unauthenticated.pop(request.connection, None)

    async def work(self, head: Head) -> Reply:
        """Answer an admin request. Raises HttpRefusal."""
        method, work = self._work.get(head.path, (b"", self._services))
        if not method:
            known = ", ".join(path.decode() for path in self._work)
            raise HttpRefusal(f"unknown admin route; the routes are {known}", 404)
        if head.method != method:
            raise MethodNotAllowed(
                f"the method is {head.method.decode()}, expected {method.decode()}", method
            )
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
        """Return the service that a request names. Raises HttpRefusal."""
        query = head.target.partition(b"?")[2].decode("latin-1")
        name = "".join(parse_qs(query).get("service", [])[:1])
        managed = self._manager.managed()
        names = ", ".join(dict.fromkeys(each.name for each in managed)) or "none"
        if not name:
            if len(managed) == 1:
                return managed[0]
            raise HttpRefusal(f"name a service with ?service=NAME; the services are {names}", 400)
        # Of several service files with one name only the first can serve. The others have failed.
        found = [each for each in managed if each.name == name]
        if not found:
            raise HttpRefusal(
                f"there is no service {shown(name.encode())}; the services are {names}", 404
            )
        return min(found, key=lambda each: each.describe()["state"] == "failed")

    # Connections

    async def _accept_all(self, listener: socket.socket) -> None:
        while True:
            await self._accept(listener)

    async def _accept(self, listener: socket.socket) -> None:
        """Accept one connection, so that its bytes are read before many others are accepted."""
        loop = asyncio.get_running_loop()
        try:
            accepted, _ = await loop.sock_accept(listener)
        except ConnectionAbortedError:
            return
        except OSError:
            # No file descriptor is left. The waiting backlog would make this loop spin.
            await asyncio.sleep(_NO_DESCRIPTOR_S)
            return
        self._forget_closed()
        if len(self._unauthenticated) >= _UNAUTHENTICATED:
            self._drop(next(iter(self._unauthenticated)))
        connection = HttpConnection(self._http)
        with contextlib.suppress(OSError):
            await loop.connect_accepted_socket(lambda: connection, accepted)
        if connection not in self._authenticated:  # it may have sent the token meanwhile
            self._unauthenticated[connection] = monotonic()

    async def _watch_unauthenticated(self) -> None:
        while True:
            await asyncio.sleep(_PATIENCE_S / 4)
            self._forget_closed()
            late = monotonic() - _PATIENCE_S
            for connection, came in list(self._unauthenticated.items()):
                if came < late:
                    self._drop(connection)

    def _drop(self, connection: HttpConnection) -> None:
        del self._unauthenticated[connection]
        connection.abort()
        self.dropped += 1

    def _forget_closed(self) -> None:
        for known in (self._unauthenticated, self._authenticated):
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
    """Return the entry of one service in the list of services."""
    ready = sum(each["state"] in ("ready", "isolated") for each in facts["instances"])
    told = ("service", "state", "version", "wanted", "reason", "file")
    return {name: facts[name] for name in told} | {"ready": ready}
