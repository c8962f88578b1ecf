"""The listening side, with real sockets on a free port; the test answers the requests."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from fixtures.engine import eventually_async

from eas_processor.contracts.counters import EngineMetric
from eas_processor.contracts.settings import EngineSettings
from eas_processor.errors import StartError
from eas_processor.frontends.http.server import HttpServer
from eas_processor.frontends.router import Router
from eas_processor.serving.registry import Registry


@asynccontextmanager
async def listening(make_desk: Any, **settings: Any) -> AsyncIterator[Any]:
    """A desk whose server listens; `desk.port` says where."""
    desk = make_desk(port=0, **settings)
    desk.server.connections.clear()
    desk.port = int(desk.server.bind().rpartition(":")[2])
    await desk.server.listen()
    try:
        yield desk
    finally:
        desk.server.close()


async def connect(desk: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", desk.port)


async def read_response(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """Return the first line and the body of a response."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
    return head.partition(b"\r\n")[0], await reader.readexactly(length)


def new_server(**settings: Any) -> HttpServer:
    return HttpServer(EngineSettings(**settings), Router(Registry()))


def test_an_address_in_use_is_said_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            StartError, match=rf"cannot listen on 127.0.0.1:{port}: Address already"
        ):
            new_server(port=port).bind()


@pytest.mark.parametrize("host", ["203.0.113.1", "no-such-host.invalid"])
def test_an_address_that_is_not_ours_is_said(host: str) -> None:
    with pytest.raises(StartError, match=f"cannot listen on {host}:0"):
        new_server(host=host, port=0).bind()


async def test_of_two_that_start_together_the_second_to_listen_is_refused() -> None:
    first = new_server(port=0)
    port = int(first.bind().rpartition(":")[2])
    second = new_server(port=port)
    second.bind()
    await first.listen()
    try:
        with pytest.raises(StartError, match=f"cannot listen on 127.0.0.1:{port}"):
            await second.listen()
    finally:
        first.close()
        second.close()


def test_an_ipv6_address_is_shown_in_brackets() -> None:
    server = new_server(host="::1", port=0)
    try:
        address = server.bind()
    except StartError:
        pytest.skip("this machine has no IPv6")
    server.close()
    assert address.startswith("http://[::1]:")


async def test_nobody_is_accepted_before_it_listens() -> None:
    server = new_server(port=0)
    port = int(server.bind().rpartition(":")[2])
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)
    server.close()


async def test_a_drain_answers_what_is_in_flight_and_closes_the_rest(
    make_desk: Any, post: Any, http: Any, eventually_async: Any
) -> None:
    async with listening(make_desk) as desk:
        idle, _ = await connect(desk)
        busy, writer = await connect(desk)
        writer.write(post(b"hello"))
        await eventually_async(lambda: desk.admission.submitted)
        drain = asyncio.create_task(desk.server.drain(grace=60, moment=0.1))
        # For a moment it still answers, so that nobody who is on the way is turned away.
        late, late_writer = await connect(desk)
        late_writer.write(http("GET", "/readyz"))
        first, _ = await read_response(late)
        assert b" 503 " in first
        assert await idle.read() == b""
        assert not drain.done()
        desk.answer_all()
        assert (await read_response(busy))[1] == b"hello"
        assert await busy.read() == b""
        await drain
        with pytest.raises(ConnectionRefusedError):
            await connect(desk)


async def test_nobody_gets_in_between_the_last_accept_and_the_closing(make_desk: Any) -> None:
    async with listening(make_desk) as desk:
        desk.server._take_backlog()
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(connect(desk), 0.1)


async def test_a_drain_does_not_wait_longer_than_its_grace(
    make_desk: Any, post: Any, eventually_async: Any
) -> None:
    async with listening(make_desk) as desk:
        _, writer = await connect(desk)
        writer.write(post(b"hello"))
        await eventually_async(lambda: desk.admission.submitted)
        await desk.server.drain(grace=0.05, moment=0)
        assert desk.server.connections
        desk.server.close()
        await eventually_async(lambda: desk.admission.withdrawn)
        assert not desk.server.connections


async def test_a_client_that_sends_on_after_a_refusal_still_reads_it(
    make_desk: Any, post: Any
) -> None:
    body = b"x" * (8 * 1024 * 1024)
    async with listening(make_desk) as desk:
        for _ in range(5):
            reader, writer = await connect(desk)
            writer.write(post(body, token="wrong"))
            first, _ = await read_response(reader)
            assert b" 401 " in first
            writer.close()


async def test_a_client_that_leaves_is_noticed(
    make_desk: Any, post: Any, eventually_async: Any
) -> None:
    async with listening(make_desk) as desk:
        _, writer = await connect(desk)
        writer.write(post(b"hello"))
        await eventually_async(lambda: desk.admission.submitted)
        writer.close()
        await eventually_async(lambda: desk.admission.withdrawn == desk.admission.submitted)
        assert not desk.server.connections


async def test_a_client_that_does_not_read_stalls_itself_only(
    make_desk: Any, post: Any, http: Any, eventually_async: Any
) -> None:
    async with listening(make_desk) as desk:
        _, writer = await connect(desk)
        writer.write(post(b"hello"))
        await eventually_async(lambda: desk.admission.submitted)
        (stalled,) = desk.server.connections
        desk.admission.submitted[0].answer(0, [b"x" * 32 * 1024 * 1024])
        writer.write(post(b"more") * 10)
        reader, other = await connect(desk)
        other.write(http("GET", "/healthz"))
        assert (await read_response(reader))[1] == b"alive"
        assert not stalled.flow.reading and len(desk.admission.submitted) == 1


async def test_slow_clients_are_looked_after_by_the_clock(make_desk: Any) -> None:
    async with listening(make_desk, head_timeout=0.0) as desk:
        reader, writer = await connect(desk)
        writer.write(b"GET /heal")
        first, _ = await read_response(reader)
        assert b" 408 " in first
        assert await reader.read() == b""
        writer.close()


def test_metrics_show_the_engine_beside_the_services(make_desk: Any) -> None:
    desk = make_desk()
    desk.server.also_shown.append(lambda: [EngineMetric("more", "gauge", "More.", 1.5)])
    text = desk.metrics()
    for line in ("eas_connections 2", "eas_answers_dropped_total 0", "eas_more 1.5"):
        assert f"\n{line}\n" in text
    assert "\neas_log_dropped_total " in text


class _Connection:
    """One whose time limits cannot be looked at, where it is `broken`."""

    def __init__(self, *, broken: bool) -> None:
        self._broken = broken
        self.looks = 0
        self.aborted = False

    def check_time(self, now: float) -> None:
        self.looks += 1
        if self._broken:
            raise RuntimeError("broken")

    def close_if_idle(self, since: float) -> None:
        raise NotImplementedError

    def abort(self) -> None:
        self.aborted = True


async def test_a_connection_that_fails_does_not_end_the_clock_of_the_others() -> None:
    server = new_server()
    broken, sound = _Connection(broken=True), _Connection(broken=False)
    server.connections.update({broken: None, sound: None})
    server.start_clock()
    await eventually_async(lambda: sound.looks >= 2)
    assert broken.aborted and not sound.aborted
    server.close()
