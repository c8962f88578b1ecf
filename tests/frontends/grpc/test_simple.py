"""Methods that the engine answers itself."""

from __future__ import annotations

import asyncio

import pytest
from fixtures.engine import FakeTransport, eventually_async
from frontends.grpc.http2.raw_client import PREFACE, call, data, headers, message, request, settings

from eas_processor.contracts.refusals import NotFound
from eas_processor.contracts.settings import EngineSettings
from eas_processor.frontends.grpc.http2.connection import Http2Connection
from eas_processor.frontends.grpc.http2.head import Heads, StreamHead
from eas_processor.frontends.grpc.simple import Handler, SimpleMethod
from eas_processor.frontends.http.server import HttpServer
from eas_processor.frontends.router import Router
from eas_processor.serving.registry import Registry


class Routes:
    """Has one handler answer everything."""

    def __init__(self, handler: Handler) -> None:
        self._method = SimpleMethod(handler)

    def find(self, _: StreamHead) -> SimpleMethod:
        return self._method


def connected(handler: Handler) -> tuple[Http2Connection, FakeTransport]:
    server = HttpServer(EngineSettings(), Router(Registry()))
    connection, transport = Http2Connection(server, Routes(handler), Heads()), FakeTransport()
    connection.connection_made(transport)  # type: ignore[arg-type]
    connection.data_received(PREFACE + settings())
    return connection, transport


async def test_an_answer_may_come_at_once_or_later() -> None:
    async def later(asked: bytes, _: StreamHead) -> bytes:
        await asyncio.sleep(0)
        return asked[::-1]

    for handler in (lambda asked, _: asked[::-1], later):
        connection, transport = connected(handler)
        connection.data_received(call(b"hello"))
        await eventually_async(lambda t=transport: b"olleh" in t.written)


async def test_a_call_is_told_when_its_time_is_over() -> None:
    done = asyncio.Event()

    async def slow(asked: bytes, _: StreamHead) -> bytes:
        await done.wait()
        return asked

    connection, transport = connected(slow)
    head = headers(request((b"grpc-timeout", b"20m")))
    connection.data_received(head + data(message(), end=True))
    await eventually_async(lambda: b"grpc-status\x014" in transport.written)
    done.set()
    await connection.server.end_tasks()
    assert b"hello" not in transport.written and not connection.streams


@pytest.mark.parametrize(
    ("error", "said"),
    [(NotFound("no such thing"), b"no such thing"), (ValueError("secret"), b"the engine failed")],
)
async def test_what_a_handler_raises_is_told(error: Exception, said: bytes) -> None:
    def fail(_: bytes, __: StreamHead) -> bytes:
        raise error

    connection, transport = connected(fail)
    connection.data_received(call())
    await eventually_async(lambda: said in transport.written)
    assert b"secret" not in transport.written
