"""A connection of the engine without sockets and services: the calls that it hands over."""

from __future__ import annotations

import asyncio
import struct
from collections import Counter, deque
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, NamedTuple

from fixtures.engine import FakeTransport

from eas_processor.contracts.settings import EngineSettings
from eas_processor.frontends.grpc.http2.connection import Http2Connection
from eas_processor.frontends.grpc.http2.head import Heads, StreamHead
from eas_processor.frontends.grpc.http2.stream import Stream
from eas_processor.frontends.http.turns import Turns
from eas_processor.serving.budget import Budget

_SETTINGS = EngineSettings(max_body=100_000, max_buffered=150_000)
_LONG_AFTER_S = 1000.0
_PIECES_AT_MOST = 300
_STREAMS = (b"/test.Echo/Stream",)


class Seen(NamedTuple):
    """What a server makes of a client's bytes: calls as (stream, path, message)."""

    calls: list[tuple[int, bytes, bytes]]
    open: bool
    """Whether the connection lives on."""


class _Loop:
    """Runs what is called soon when it is told to."""

    def __init__(self) -> None:
        self._jobs: deque[tuple[Callable[..., Any], tuple[Any, ...]]] = deque()

    def call_soon(self, job: Callable[..., Any], *arguments: Any) -> None:
        self._jobs.append((job, arguments))

    def run(self) -> None:
        while self._jobs:
            job, arguments = self._jobs.popleft()
            job(*arguments)


class _Call(Stream):
    """Answers with its message: at once, or when `held` is let go."""

    __slots__ = ("withdrawn",)
    method: _Method

    def received(self, now: float) -> None:
        assert self.size == sum(map(len, self.body))
        self.withdrawn = False
        self.method.routes.calls.append((self.id, self.head.path, b"".join(self.body)))
        if self.method.routes.at_once:
            self.respond([b"".join(self.body)])
        else:
            self.method.routes.held.append(self)

    def withdraw(self) -> None:
        assert not getattr(self, "withdrawn", False)
        self.withdrawn = True

    def refuse(self, refusal: Exception) -> None:
        self.fail(8, str(refusal))


class _Messages(_Call):
    """Answers each message of a stream."""

    __slots__ = ()
    streaming = True

    def message(self, data: bytes, now: float) -> None:
        self.send(data)

    def half_closed(self, now: float) -> None:
        self.finish()


class _Method:
    def __init__(self, routes: _Routes, stream: type[Stream]) -> None:
        self.routes = routes
        self._stream = stream

    def open(
        self, connection: Http2Connection, stream_id: int, head: StreamHead, now: float
    ) -> Stream:
        return self._stream(self, connection, stream_id, head, now)


class _Routes:
    """Every path is a method; `calls` are those that were handed over, `held` not answered yet."""

    def __init__(self, *, at_once: bool, streams: bool) -> None:
        self.at_once = at_once
        self._streams = _STREAMS if streams else ()
        self.calls: list[tuple[int, bytes, bytes]] = []
        self.held: list[_Call] = []
        self._unary, self._streaming = _Method(self, _Call), _Method(self, _Messages)

    def find(self, head: StreamHead) -> _Method:
        return self._streaming if head.path in self._streams else self._unary


def read(data: bytes, piece: int, *, at_once: bool, streams: bool) -> Seen:
    """
    Return what the engine makes of bytes that arrive in pieces of so many bytes.

    Calls are answered `at_once` or at the end; without `streams` all calls are unary.
    Raises AssertionError where the connection leaves something behind.
    """
    loop, routes = _Loop(), _Routes(at_once=at_once, streams=streams)
    asyncio._set_running_loop(loop)  # type: ignore[arg-type]
    try:
        server: Any = SimpleNamespace(
            settings=_SETTINGS,
            budget=Budget(_SETTINGS.max_buffered, _SETTINGS.max_body),
            connections={},
            draining=False,
            turns=Turns(),
            refused=Counter(),
        )
        connection, transport = Http2Connection(server, routes, Heads()), FakeTransport()
        connection.connection_made(transport)  # type: ignore[arg-type]
        step = max(piece, len(data) // _PIECES_AT_MOST) if piece else len(data)
        for start in range(0, len(data), step or 1):
            connection.data_received(data[start : start + step])
            loop.run()
        lives = not connection.closing
        for call in routes.held:
            call.respond([b"late"])
        loop.run()
        connection.check_time(connection.now + _LONG_AFTER_S)
        loop.run()
        connection.connection_lost(None)
        loop.run()
    finally:
        asyncio._set_running_loop(None)
    assert server.budget.free == server.budget.limit, "bytes are charged for no stream"
    assert not server.connections and not connection.streams
    check_frames(transport.written)
    return Seen(routes.calls, lives)


def check_frames(written: bytes) -> None:
    """Fail where what was sent is not whole frames, or a stream goes on behind its end."""
    ended: set[int] = set()
    at = 0
    while at < len(written):
        word, flags, stream = struct.unpack_from(">IBI", written, at)
        at += 9 + (word >> 8)
        assert at <= len(written), "half a frame was sent"
        kind = word & 0xFF
        if kind in (0, 1):
            assert stream not in ended, f"frames of stream {stream} behind its end"
            if flags & 1:
                ended.add(stream)
        elif kind == 3:
            ended.add(stream)
