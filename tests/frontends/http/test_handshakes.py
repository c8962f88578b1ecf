from __future__ import annotations

import asyncio
import os
import resource
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from fixtures import need
from frontends.http.test_tls import Pair, Served, make_pair, predict

from eas_processor.contracts.settings import ServiceSettings
from eas_processor.frontends.http import handshakes as module
from eas_processor.frontends.http.connection import REFUSED_AT_ONCE

pytestmark = need.tool("openssl")


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return make_pair(tmp_path_factory.mktemp("tls"), "first")


@contextmanager
def silent(address: str, count: int) -> Iterator[list[socket.socket]]:
    """Connections that begin no handshake."""
    port = int(address.rpartition(":")[2])
    crowd = [socket.create_connection(("127.0.0.1", port)) for _ in range(count)]
    try:
        yield crowd
    finally:
        for each in crowd:
            each.close()


def under_way(served: Served) -> int:
    assert served.server._handshakes is not None
    return len(served.server._handshakes)


async def open_tls(address: str, pair: Pair) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    context = ssl.create_default_context(cafile=str(pair.cert))
    return await asyncio.open_connection(
        "127.0.0.1", int(address.rpartition(":")[2]), ssl=context, server_hostname="127.0.0.1"
    )


async def test_handshakes_that_never_end_are_few_and_make_room(
    service: Callable[..., ServiceSettings],
    pair: Pair,
    monkeypatch: pytest.MonkeyPatch,
    eventually_async: Any,
) -> None:
    monkeypatch.setattr(module, "_MOST", 8)
    served = Served(service(token="t"), *pair)
    async with served as address:
        await asyncio.to_thread(predict, address, pair.cert, b"x")
        before = len(os.listdir("/proc/self/fd"))
        with silent(address, 30):
            await eventually_async(lambda: under_way(served) == 8)
            # Behind all of them in the backlog: three times half a second.
            assert await asyncio.to_thread(predict, address, pair.cert, b"x") == b"x"
            assert under_way(served) <= 8
            assert len(os.listdir("/proc/self/fd")) <= before + 30 + 8 + 2
        await eventually_async(lambda: not under_way(served))
        await eventually_async(lambda: len(os.listdir("/proc/self/fd")) <= before)


async def test_one_that_nobody_ends_is_ended_in_time(
    service: Callable[..., ServiceSettings], pair: Pair, eventually_async: Any
) -> None:
    served = Served(service(token="t"), *pair)
    served.server.settings = replace(served.server.settings, head_timeout=0.2)
    async with served as address:
        with silent(address, 3):
            await eventually_async(lambda: under_way(served) == 3)
            await eventually_async(lambda: not under_way(served))


async def test_handshakes_count_as_connections(
    service: Callable[..., ServiceSettings],
    pair: Pair,
    monkeypatch: pytest.MonkeyPatch,
    eventually_async: Any,
) -> None:
    monkeypatch.setattr(module, "_GRACE_S", 0.0)
    served = Served(service(token="t"), *pair)
    served.server.settings = replace(served.server.settings, max_connections=5)
    async with served as address:
        kept = [await open_tls(address, pair) for _ in range(5)]
        with silent(address, REFUSED_AT_ONCE + 20):
            await asyncio.sleep(0.2)
            assert len(served.server.connections) == 5
            assert under_way(served) <= REFUSED_AT_ONCE
            reader, writer = kept[0]
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n")
            assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")
            # The handshake of one above the limit is finished, so that it can be told.
            reader, other = await open_tls(address, pair)
            assert (await reader.readline()).startswith(b"HTTP/1.1 503 ")
            other.close()
        for _, writer in kept:
            writer.close()
        await eventually_async(lambda: not served.server.connections)
        assert await asyncio.to_thread(predict, address, pair.cert, b"x") == b"x"


async def test_where_connections_take_all_the_room_one_more_is_closed_at_once(
    service: Callable[..., ServiceSettings], pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = Served(service(token="t"), *pair)
    monkeypatch.setattr(served.server, "_is_full", lambda: True)
    async with served as address:
        with pytest.raises((ConnectionError, ssl.SSLError)):
            await open_tls(address, pair)
        assert not under_way(served)


async def test_without_a_descriptor_it_waits(
    service: Callable[..., ServiceSettings], pair: Pair
) -> None:
    async with Served(service(token="t"), *pair) as address:
        await asyncio.to_thread(predict, address, pair.cert, b"x")
        with silent(address, 1) as (client,):
            limits = resource.getrlimit(resource.RLIMIT_NOFILE)
            free = os.dup(0)
            os.close(free)
            resource.setrlimit(resource.RLIMIT_NOFILE, (free, limits[1]))
            try:
                await asyncio.sleep(0.3)
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, limits)
            assert await asyncio.to_thread(predict, address, pair.cert, b"x") == b"x"
            client.close()


async def test_a_drain_lets_handshakes_end_that_are_under_way(
    service: Callable[..., ServiceSettings], pair: Pair, eventually_async: Any
) -> None:
    served = Served(service(token="t"), *pair)
    async with served as address:
        with silent(address, 1) as (raw,):
            await eventually_async(lambda: under_way(served) == 1)
            drain = asyncio.create_task(served.server.drain(10.0, 0.2))
            await asyncio.sleep(0.3)
            assert not drain.done()

            def shake() -> str | None:
                context = ssl.create_default_context(cafile=str(pair.cert))
                with context.wrap_socket(raw, server_hostname="127.0.0.1") as client:
                    return client.version()

            assert (await asyncio.to_thread(shake) or "").startswith("TLS")
            await drain
