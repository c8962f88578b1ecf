"""Runs many calls concurrently, and returns their results in order."""

from __future__ import annotations

import threading
from typing import Any, Awaitable, Callable, Sequence

from . import _checks


def run_threads(
    call: Callable[[Any], Any],
    items: Sequence[Any],
    concurrency: int,
    report: Callable[[int], None],
) -> list[Any]:
    """Call `call` for each item in at most `concurrency` threads. Raises the first failure."""
    found: list[Any] = [None] * len(items)
    failures: list[BaseException] = []
    numbers = iter(range(len(items)))
    lock = threading.Lock()
    done = 0

    def work() -> None:
        nonlocal done
        try:
            while not failures:
                with lock:
                    number = next(numbers, None)
                if number is None:
                    return
                found[number] = call(items[number])
                with lock:
                    done += 1
                    report(done)
        except BaseException as error:
            failures.append(error)

    threads = [
        threading.Thread(target=work, daemon=True) for _ in range(_workers(items, concurrency) - 1)
    ]
    for thread in threads:
        thread.start()
    work()  # this thread works too, so that Ctrl-C interrupts it
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return found


async def run_tasks(
    call: Callable[[Any], Awaitable[Any]],
    items: Sequence[Any],
    concurrency: int,
    report: Callable[[int], None],
) -> list[Any]:
    """Await `call` for each item in at most `concurrency` tasks. Raises the first failure."""
    import asyncio

    count = _workers(items, concurrency)
    found: list[Any] = [None] * len(items)
    numbers = iter(range(len(items)))
    done = 0

    async def work() -> None:
        nonlocal done
        for number in numbers:
            found[number] = await call(items[number])
            done += 1
            report(done)

    tasks = [asyncio.ensure_future(work()) for _ in range(count)]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return found


def _workers(items: Sequence[Any], concurrency: int) -> int:
    return min(_checks.count("concurrency", concurrency), len(items))
