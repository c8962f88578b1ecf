"""What becomes of a connection that its client leaves."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Iterator
from time import monotonic

import pytest
from fixtures.engine import FakeTransport, eventually_async
from frontends.grpc.echo_server import EchoRoutes
from frontends.grpc.http2.raw_client import (
    LATE,
    PREFACE,
    STREAM,
    Setting,
    call,
    data,
    headers,
    message,
    request,
    settings,
    window_update,
)

from eas_processor.contracts.settings import EngineSettings
from eas_processor.frontends.grpc.http2.connection import Http2Connection
from eas_processor.frontends.grpc.http2.head import Heads, StreamHead
from eas_processor.frontends.http.server import HttpServer
from eas_processor.frontends.router import Router
from eas_processor.serving.registry import Registry


@pytest.fixture
def server() -> HttpServer:
    return HttpServer(EngineSettings(), Router(Registry()))


@pytest.fixture
def without_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


async def connected(server: HttpServer) -> tuple[Http2Connection, FakeTransport]:
    connection, transport = Http2Connection(server, EchoRoutes(), Heads()), FakeTransport()
    connection.connection_made(transport)  # type: ignore[arg-type]
    connection.data_received(PREFACE + settings())
    return connection, transport


async def test_an_answer_is_written_before_the_end_that_comes_in_the_same_turn(
    server: HttpServer,
) -> None:
    connection, transport = await connected(server)
    connection.data_received(call(path=LATE))
    connection.streams[1].respond([b"just in time"])
    assert not connection.eof_received()
    assert b"just in time" in transport.written


async def test_messages_of_many_streams_are_handed_over_in_turns(server: HttpServer) -> None:
    """One read of 250 KB can bring 30,000 questions, of which some are answered with 10 KB"""
    connection, transport = await connected(server)
    streams = [
        headers(request(path=STREAM), number) + data(message() * 4, number, end=True)
        for number in range(1, 41, 2)
    ]
    connection.data_received(b"".join(streams))
    assert transport.written.count(b"hello") == 32
    await eventually_async(lambda: not connection.streams)
    assert transport.written.count(b"hello") == 80


async def test_answers_of_one_large_read_are_not_held_until_its_end(
    server: HttpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection, transport = await connected(server)
    windows = settings((Setting.INITIAL_WINDOW_SIZE, 2**24), (Setting.MAX_FRAME_SIZE, 2**20))
    connection.data_received(window_update(2**30) + windows)
    written: list[int] = []
    write = transport.writelines
    monkeypatch.setattr(
        transport, "writelines", lambda parts: (written.append(sum(map(len, parts))), write(parts))
    )
    calls = [call(bytes(200_000), number) for number in range(1, 41, 2)]
    connection.data_received(b"".join(calls))
    assert transport.written.count(b"grpc-status") == len(calls)
    assert max(written) < 1_300_000 < sum(written)


async def test_what_is_not_sent_of_a_failed_stream_stays_charged(server: HttpServer) -> None:
    connection, _ = await connected(server)
    free = server.budget.free
    opened = settings((Setting.INITIAL_WINDOW_SIZE, 0)) + headers(request(path=STREAM))
    connection.data_received(opened + data(message(bytes(1000)) * 3 + message(flag=2)))
    (stream,) = connection.streams.values()
    assert stream.answered and server.budget.free <= free - 3000
    connection.data_received(window_update(1 << 20, 1))
    assert not connection.streams and server.budget.free == free


async def test_a_connection_ends_once_whatever_limits_it_has_passed(server: HttpServer) -> None:
    """Half a frame and nothing else for long: both end it, and after the end nothing is written"""
    connection, transport = await connected(server)
    connection.data_received(headers()[:7])
    connection.check_time(monotonic() + server.settings.idle_timeout + 1)
    assert connection.closing and b"too long to arrive" in transport.written


@pytest.mark.parametrize("busy", [True, False], ids=["many frames", "one frame"])
async def test_a_frame_that_does_not_arrive_ends_a_connection(
    server: HttpServer, monkeypatch: pytest.MonkeyPatch, busy: bool
) -> None:
    """One of many that is cut off whenever somebody looks is no slow frame"""
    now = monotonic()
    monkeypatch.setattr("eas_processor.frontends.grpc.http2.connection.monotonic", lambda: now)
    connection, _ = await connected(server)
    frame, rest = headers(), b""
    for number in range(1, 41, 2):
        if busy:
            frame = call(stream=number)
        connection.data_received(rest + frame[:7] if busy else frame[number // 2 :][:1])
        rest = frame[7:]
        now += 1.0
        connection.check_time(now)
    assert connection.closing is not busy


@pytest.mark.usefixtures("without_collector")
def test_a_head_that_does_not_come_again_does_not_wait_for_the_collector() -> None:
    """Calls may bring other metadata each, and so a head of their own"""
    StreamHead([(b":path", b"/test.Echo/Echo"), (b"x-request-id", b"1")])
    assert gc.collect() == 0


CALLS = {
    "nothing": b"",
    "an answered call": call(),
    "a call that is worked on": call(path=LATE),
    "half a message": headers() + data(message()[:7]),
    "an answer that is not taken": settings((Setting.INITIAL_WINDOW_SIZE, 0)) + call(),
    "messages that are held back": settings((Setting.INITIAL_WINDOW_SIZE, 0))
    + headers(request(path=STREAM))
    + data(message(bytes(1000)) * 200, end=True),
}


@pytest.mark.parametrize("sent", CALLS.values(), ids=CALLS)
@pytest.mark.usefixtures("without_collector")
def test_a_lost_connection_does_not_wait_for_the_collector(server: HttpServer, sent: bytes) -> None:
    free = server.budget.free

    async def connect_and_leave() -> weakref.ref[Http2Connection]:
        connection = Http2Connection(server, EchoRoutes(), Heads())
        connection.connection_made(FakeTransport())  # type: ignore[arg-type]
        connection.data_received(PREFACE + settings() + sent)
        connection.connection_lost(None)
        await asyncio.sleep(0.05)  # longer than a call of LATE takes
        return weakref.ref(connection)

    gone = asyncio.run(connect_and_leave())
    assert gone() is None
    assert server.budget.free == free
    assert not server.connections
