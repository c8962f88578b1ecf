"""Work beside what is served: in threads that no shutdown waits for, and in tasks that it ends."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from eas_processor.errors import StartError
from eas_processor.process_limit import advised

T = TypeVar("T")


async def in_background(work: Callable[[], T]) -> T:
    """
    Return what `work` returns, or raise what it raises, after running it in a thread.

    Unlike one of `asyncio.to_thread`, the thread ends with the process, whatever it is doing: a
    download that takes minutes does not hold up a shutdown. Raises StartError where there can be no
    more threads.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if done.cancelled():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(result)  # type: ignore[arg-type]

    def run() -> None:
        result, error = None, None
        try:
            result = work()
        except BaseException as caught:
            error = caught
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(settle, result, error)

    try:
        threading.Thread(target=run, daemon=True).start()
    except RuntimeError as error:
        raise StartError(advised(str(error))) from error
    return await done


async def end_tasks(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel tasks and wait until they have ended, however they do."""
    ending = list(tasks)
    for task in ending:
        task.cancel()
    await asyncio.gather(*ending, return_exceptions=True)
