from __future__ import annotations

import asyncio
import threading

import pytest

from eas_processor.errors import StartError
from eas_processor.serving.background import in_background


async def test_it_returns_and_raises_as_a_call_does() -> None:
    assert await in_background(lambda: 5) == 5
    with pytest.raises(ZeroDivisionError):
        await in_background(lambda: 1 // 0)


async def test_it_can_be_left_alone() -> None:
    begun, goes_on = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        goes_on.wait(20)

    waiting = asyncio.create_task(in_background(work))
    while not begun.is_set():
        await asyncio.sleep(0.001)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    # What comes of it then is nobody's business, and no error.
    goes_on.set()
    await asyncio.sleep(0.05)


async def test_where_no_thread_can_be_started_the_limit_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(StartError, match=r"can't start new thread; .*processes and threads"):
        await in_background(lambda: 5)
