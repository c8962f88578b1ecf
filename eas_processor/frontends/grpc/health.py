"""`grpc.health.v1.Health`: whether the server, or one of its services, takes calls."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from eas_processor.contracts.refusals import BadRequest, NotFound, Refusal
from eas_processor.frontends.grpc.http2.head import StreamHead
from eas_processor.frontends.grpc.http2.stream import Method, Stream
from eas_processor.frontends.grpc.open_streams import OpenStream, OpenStreams
from eas_processor.frontends.grpc.routes import asker
from eas_processor.frontends.grpc.statuses import STATUSES, refusal_text
from eas_processor.frontends.grpc.wire import LENGTH, MalformedError, fields, number_field
from eas_processor.frontends.tfs_models import TfsModels, Wanted
from eas_processor.link.codes import INTERNAL
from eas_processor.serving.registry import Registry

if TYPE_CHECKING:
    from eas_processor.frontends.grpc.http2.connection import Http2Connection

HEALTH_SERVICE = b"/grpc.health.v1.Health/"

_SERVICE = 1
_STATUS = 1
_SERVING, _NOT_SERVING, _SERVICE_UNKNOWN = 1, 2, 3

Serves = Callable[[str, StreamHead], bool | None]
"""Returns whether a service of this name takes calls, None if unknown. Raises Refusal."""


def health_methods(serves: Serves, streams: OpenStreams) -> dict[bytes, Method]:
    """Return the methods by path; `streams` checks the streams of Watch."""
    return {
        HEALTH_SERVICE + b"Check": _HealthMethod(_Check, serves, streams),
        HEALTH_SERVICE + b"Watch": _HealthMethod(_Watch, serves, streams),
    }


def health_of_server(names: Iterable[str]) -> Serves:
    """Return a function for which the server itself and the services of these names take calls."""
    known = frozenset(["", *names])
    return lambda name, _: True if name in known else None


def health_of_models(registry: Registry, models: TfsModels) -> Serves:
    """Return a function for the models of a registry; the empty name means the whole server."""

    def serves(name: str, head: StreamHead) -> bool | None:
        if not name:
            return any(each.ready for each in registry)
        try:
            return models.entry(Wanted(name.encode()), asker(head)).ready
        except NotFound:
            return None

    return serves


class _HealthMethod:
    """One method of the service."""

    def __init__(self, kind: type[_Check | _Watch], serves: Serves, streams: OpenStreams) -> None:
        self._kind = kind
        self._serves = serves
        self.streams = streams

    def open(
        self, connection: Http2Connection, stream_id: int, head: StreamHead, now: float
    ) -> Stream:
        return self._kind(self, connection, stream_id, head, now)

    def status(self, name: str, stream: Stream) -> int:
        """Return the `ServingStatus` of a service. Raises Refusal."""
        serves = self._serves(name, stream.head)
        if serves is None:
            return _SERVICE_UNKNOWN
        return _SERVING if serves and not stream.connection.server.draining else _NOT_SERVING


class _Check(Stream):
    """A call that is answered at once."""

    __slots__ = ()
    method: _HealthMethod

    def received(self, now: float) -> None:
        try:
            status = self.method.status(_name(b"".join(self.body)), self)
            if status == _SERVICE_UNKNOWN:
                raise NotFound("there is no such service")
        except Refusal as refusal:
            self.refuse(refusal)
        else:
            self.respond([number_field(_STATUS, status)])

    def refuse(self, refusal: Refusal) -> None:
        self.fail(STATUSES[refusal.code], refusal_text(refusal))


class _Watch(OpenStream):
    """A stream that sends the status of a service, and each later change."""

    __slots__ = ("_name", "_told")
    method: _HealthMethod

    def __init__(
        self,
        method: _HealthMethod,
        connection: Http2Connection,
        stream_id: int,
        head: StreamHead,
        now: float,
    ) -> None:
        Stream.__init__(self, method, connection, stream_id, head, now)
        self._name: str | None = None
        self._told = -1

    def message(self, data: bytes, now: float) -> None:
        if self._name is not None:
            self.refuse(BadRequest("expected one message, got another"))
            return
        try:
            self._name = _name(data)
        except Refusal as refusal:
            self.refuse(refusal)
            return
        self.look()
        self.method.streams.add(self)

    def half_closed(self, now: float) -> None:
        if self._name is None:
            self.fail(STATUSES[INTERNAL], "the request has no message")

    def look(self) -> None:
        assert self._name is not None
        try:
            status = self.method.status(self._name, self)
        except Refusal as refusal:
            self.refuse(refusal)
            return
        if status != self._told:
            self._told = status
            self.send(number_field(_STATUS, status))


def _name(message: bytes) -> str:
    """Return the `service` of a `HealthCheckRequest`. Raises BadRequest."""
    name = b""
    try:
        for number, kind, start, stop in fields(message):
            if number == _SERVICE and kind == LENGTH:
                name = message[start:stop]
        return name.decode()
    except (MalformedError, UnicodeDecodeError) as error:
        raise BadRequest(f"the message cannot be read: {error}") from None
