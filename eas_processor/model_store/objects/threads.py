"""Runs work in daemon threads, so that a signal can end the process meanwhile."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

Stop = threading.Event
THREADS = 4

_T = TypeVar("_T")


def in_thread(work: Callable[[], _T]) -> _T:
    """Run `work` in a daemon thread, and return its result or raise its exception."""
    results: list[_T] = []
    each_in_threads([work], lambda each, stop: results.append(each()))
    return results[0]


def each_in_threads(items: Sequence[_T], work: Callable[[_T, Stop], None]) -> None:
    """
    Call `work` for each item, in up to THREADS threads.

    The first exception stops the others and is raised. `work` gets an event that is set when it has
    to stop.
    """
    stop = Stop()
    to_do: queue.SimpleQueue[_T] = queue.SimpleQueue()
    ended: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()
    for item in items:
        to_do.put(item)

    def run() -> None:
        try:
            while not stop.is_set():
                work(to_do.get_nowait(), stop)
        except queue.Empty:
            ended.put(None)
        except BaseException as error:
            stop.set()
            ended.put(error)
        else:
            ended.put(None)

    count = min(THREADS, len(items))
    try:
        for _ in range(count):
            threading.Thread(target=run, name="objects", daemon=True).start()
        failures = [error for _ in range(count) if (error := ended.get()) is not None]
    finally:
        stop.set()
    if failures:
        raise failures[0]
