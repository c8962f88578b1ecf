"""Sockets on which processes introduce themselves; the other end is a plain socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from eas_processor.instances.links import FrameLink, Hello, LineLink, listen
from eas_processor.link.frames import HEARTBEAT, HELLO, LINK_VERSION, pack


@asynccontextmanager
async def listening(on_hello: Hello) -> AsyncIterator[Path]:
    with TemporaryDirectory(prefix="eas-") as directory:
        path = Path(directory) / "link.sock"
        server = await listen(path, on_hello)
        yield path
        server.close()


def hello(**facts: Any) -> bytes:
    return pack(HELLO, json.dumps({"link": LINK_VERSION, **facts}).encode())


async def test_a_process_introduces_itself_and_then_sends_frames(eventually_async: Any) -> None:
    facts: list[Any] = []
    frames: list[Any] = []
    lost: list[bool] = []

    def on_hello(given: dict[str, Any], transport: asyncio.Transport) -> asyncio.Protocol:
        facts.append(given)
        return FrameLink(frames.extend, lambda: lost.append(True))

    async with listening(on_hello) as path:
        _, writer = await asyncio.open_unix_connection(str(path))
        data = hello(channel="control", instance=3) + pack(HEARTBEAT) + pack(HEARTBEAT)
        for start in range(0, len(data), 5):
            writer.write(data[start : start + 5])
            await asyncio.sleep(0)
        await eventually_async(lambda: len(frames) == 2)
        assert facts == [{"link": LINK_VERSION, "channel": "control", "instance": 3}]
        writer.close()
        await eventually_async(lambda: lost)


async def test_another_link_version_is_hung_up_on() -> None:
    def on_hello(facts: dict[str, Any], transport: asyncio.Transport) -> asyncio.Protocol:
        raise AssertionError("it was introduced")

    async with listening(on_hello) as path:
        for greeting in (hello(link=LINK_VERSION + 1), pack(HEARTBEAT)):
            reader, writer = await asyncio.open_unix_connection(str(path))
            writer.write(greeting)
            assert await reader.read() == b""
            writer.close()


async def test_a_stranger_is_hung_up_on() -> None:
    async with listening(lambda facts, transport: None) as path:
        reader, writer = await asyncio.open_unix_connection(str(path))
        writer.write(hello(channel="control", instance=99))
        assert await reader.read() == b""
        writer.close()


def test_lines_are_whole_whatever_the_cut() -> None:
    lines: list[str] = []
    link = LineLink(lines.append)
    for piece in (b"one\ntw", b"o\n", b"\nthr\xffee"):
        link.data_received(piece)
    assert lines == ["one", "two", ""]
    assert not link.closed.is_set()
    link.connection_lost(None)
    assert lines[3:] == ["thr\ufffdee"]
    assert link.closed.is_set()


def test_output_without_line_breaks_is_not_kept_without_end() -> None:
    lines: list[str] = []
    link = LineLink(lines.append)
    for _ in range(200):
        link.data_received(b"x" * 1000)
    link.connection_lost(None)
    assert len(lines) > 2 and "".join(lines) == "x" * 200_000
