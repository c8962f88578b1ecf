"""A clock that ticks more often than once a millisecond, the finest step of the event loops."""

from __future__ import annotations

import asyncio
import ctypes
import os
from collections.abc import Callable

_CLOCK_MONOTONIC = 1
_NONBLOCK_CLOEXEC = os.O_NONBLOCK | getattr(os, "O_CLOEXEC", 0)


class _Interval(ctypes.Structure):
    _fields_ = [(name, ctypes.c_long) for name in ("every_s", "every_ns", "first_s", "first_ns")]


class Ticker:
    """Calls `tick` every `interval` seconds while open: a Linux timerfd, else the loop's timer."""

    def __init__(self, interval: float, tick: Callable[[], None]) -> None:
        self._tick = tick
        self._loop = asyncio.get_running_loop()
        self._handle: asyncio.TimerHandle | None = None
        self._fd = _timer_fd(interval)
        if self._fd >= 0:
            self._loop.add_reader(self._fd, self._fire)
        else:
            self._again()

    def close(self) -> None:
        """Stop ticking."""
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
        if self._handle is not None:
            self._handle.cancel()

    def _fire(self) -> None:
        try:
            os.read(self._fd, 8)
        except BlockingIOError:
            return
        self._tick()

    def _again(self) -> None:
        self._handle = self._loop.call_later(0.001, self._again)
        self._tick()


def _timer_fd(interval: float) -> int:
    """Return the descriptor of a timer, or -1 if the system has no timerfd."""
    try:
        libc = ctypes.CDLL(None)
        fd = int(libc.timerfd_create(_CLOCK_MONOTONIC, _NONBLOCK_CLOEXEC))
    except (OSError, AttributeError):
        return -1
    nanoseconds = max(1, int(interval * 1e9))
    part = divmod(nanoseconds, 1_000_000_000)
    if fd >= 0 and libc.timerfd_settime(fd, 0, ctypes.byref(_Interval(*part, *part)), None) != 0:
        os.close(fd)
        return -1
    return fd
