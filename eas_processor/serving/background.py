"""Background work: threads for which no shutdown waits, and tasks that it cancels."""

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
    Run `work` in a thread, and return or raise its result.

    Unlike the threads of `asyncio.to_thread`, this one ends with the process, so that a download
    that takes minutes does not delay a shutdown. Raises StartError if no thread can be started.
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
    """Cancel tasks and wait until all have ended; their errors are ignored."""
    ending = list(tasks)
    for task in ending:
        task.cancel()
    await asyncio.gather(*ending, return_exceptions=True)
