"""
Many connections that ask for nothing, or far too slowly, beside a few busy ones.

CROWD is how many are idle (500; 10000 for the whole test) and SLOW how many send a byte a second
(100; 1000). The figures are printed: what a shared machine does to times is no reason to fail.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import resource
import statistics
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from time import monotonic

import pytest
from e2e.front_door import Engine, post

CROWD = int(os.environ.get("CROWD", "500"))
SLOW = int(os.environ.get("SLOW", "100"))
SECONDS = float(os.environ.get("CROWD_SECONDS", "2"))
HEAD_S = 3.0
BUSY = 32

pytestmark = pytest.mark.chaos


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard != resource.RLIM_INFINITY and hard < max(CROWD, SLOW) + 200:
        pytest.skip(f"the limit of open files is {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    engine = Engine(
        tmp_path,
        threads=4,
        engine={"head_timeout": HEAD_S, "max_connections": max(CROWD, SLOW) + 200},
    )
    yield engine
    engine.kill()


def test_idle_connections_do_not_slow_busy_ones(engine: Engine) -> None:
    asyncio.run(_beside_idle(engine))


async def _beside_idle(engine: Engine) -> None:
    await _busy(engine, 1.0)
    before = await _busy(engine, SECONDS)
    memory = _resident(engine)
    crowd = [await asyncio.open_connection(*engine.address) for _ in range(CROWD)]
    during = await _busy(engine, SECONDS)
    grown = (_resident(engine) - memory) // max(1, CROWD)
    print(f"{CROWD} idle, {grown} bytes each; {_summary('without', before)}")
    print(_summary("with", during))
    for _, writer in crowd[:: max(1, CROWD // 50)]:  # they are still served
        writer.write(post(b"late"))
    for reader, _ in crowd[:: max(1, CROWD // 50)]:
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
    for _, writer in crowd:
        writer.close()


def test_slow_clients_are_closed_at_the_limit_and_busy_ones_unharmed(engine: Engine) -> None:
    asyncio.run(_beside_slow(engine))


async def _beside_slow(engine: Engine) -> None:
    await _busy(engine, 1.0)
    before = await _busy(engine, SECONDS)
    # In a process of their own, or the busy ones would wait for the slow ones' client.
    with ProcessPoolExecutor(1, multiprocessing.get_context("fork")) as pool:
        slow = asyncio.get_running_loop().run_in_executor(pool, _drip_all, engine.address)
        during = await _busy(engine, HEAD_S + 2)
        closed = await slow
    print(f"{SLOW} slow, closed after {min(closed):.1f} to {max(closed):.1f} s (limit {HEAD_S:g})")
    print(_summary("without", before))
    print(_summary("with", during))
    assert min(closed) >= HEAD_S


def _drip_all(address: tuple[str, int]) -> list[float]:
    async def drip_all() -> list[float]:
        return await asyncio.gather(*(_drip(address, number) for number in range(SLOW)))

    return asyncio.run(drip_all())


async def _drip(address: tuple[str, int], number: int) -> float:
    """Send a head a byte a second; return after how long the server closed with a 408."""
    await asyncio.sleep(number % 100 / 200)
    reader, writer = await asyncio.open_connection(*address)
    head = post(b"x" * 100)
    writer.write(head[:1])
    began = monotonic()
    answer = asyncio.create_task(reader.read())
    for byte in head[1:]:
        done, _ = await asyncio.wait({answer}, timeout=1.0)
        if done:
            break
        writer.write(bytes([byte]))
    took = monotonic() - began
    assert (await answer).startswith(b"HTTP/1.1 408 ")
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()
    return took


async def _busy(engine: Engine, seconds: float) -> list[float]:
    """Ask on all busy connections, one request after the other; return the times in seconds."""
    end = monotonic() + seconds
    times = await asyncio.gather(*(_ask(engine, end, each) for each in range(BUSY)))
    return [each for some in times for each in some]


async def _ask(engine: Engine, end: float, number: int) -> list[float]:
    reader, writer = await asyncio.open_connection(*engine.address)
    body = b"%d" % number * 1000
    request, times = post(body), []
    while monotonic() < end:
        began = monotonic()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 ")
        assert await reader.readexactly(len(body)) == body
        times.append(monotonic() - began)
    writer.close()
    return times


def _summary(name: str, times: list[float]) -> str:
    p50, p99 = statistics.quantiles(times, n=100)[49::49]
    return f"{name}: {len(times)} answered, p50 {p50 * 1e3:.2f} ms, p99 {p99 * 1e3:.2f} ms"


def _resident(engine: Engine) -> int:
    return int(Path(f"/proc/{engine.process.pid}/statm").read_text().split()[1]) * 4096
