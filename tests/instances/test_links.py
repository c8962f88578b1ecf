"""Our ends of sockets; the other end is a plain socket."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import Any

import pytest

from eas_processor.errors import StartError
from eas_processor.instances.links import FrameLink, LineLink, open_link, send_with, socket_pair
from eas_processor.link.frames import HEARTBEAT, Frame, pack


def test_no_more_open_files(no_more_files: Any) -> None:
    with no_more_files(), pytest.raises(StartError, match="Too many open files"):
        socket_pair()


async def test_frames_arrive_on_our_end_of_a_pair(eventually_async: Any) -> None:
    ours, theirs = socket.socketpair()
    received: list[Frame] = []
    lost: list[bool] = []
    await open_link(ours, FrameLink(received.extend, lambda: lost.append(True)))
    theirs.sendall(pack(HEARTBEAT) + pack(HEARTBEAT))
    await eventually_async(lambda: [kind for kind, *_ in received] == [HEARTBEAT, HEARTBEAT])
    theirs.close()
    await eventually_async(lambda: lost)


async def test_a_message_hands_over_descriptors_also_when_the_socket_is_full(
    eventually_async: Any,
) -> None:
    ours, theirs = socket.socketpair()
    transport = await open_link(ours, asyncio.Protocol())
    theirs.setblocking(False)
    pair = socket.socketpair()
    data = b"x" * 3_000_000
    sending = asyncio.create_task(send_with(ours, data, [pair[1].fileno()]))
    await asyncio.sleep(0.05)
    assert not sending.done()
    received, descriptors = b"", []
    while len(received) < len(data):
        with contextlib.suppress(BlockingIOError):
            piece, given, _, _ = socket.recv_fds(theirs, 1 << 20, 4)
            received += piece
            descriptors += given
        await asyncio.sleep(0)
    await sending
    assert received == data and len(descriptors) == 1
    with socket.socket(fileno=descriptors[0]) as same:
        same.sendall(b"here")
        assert pair[0].recv(10) == b"here"
    for each in (*pair, theirs):
        each.close()
    transport.close()


async def test_a_message_to_a_process_that_has_ended() -> None:
    ours, theirs = socket.socketpair()
    transport = await open_link(ours, asyncio.Protocol())
    theirs.close()
    with pytest.raises(OSError, match="Broken pipe"):
        await send_with(ours, b"x", [])
    transport.close()


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
