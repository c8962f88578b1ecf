"""Spreads work of milliseconds, which clients can cause, over turns of the event loop."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable


class Turns:
    """
    Runs jobs in steps: one step of one job in each turn of the event loop.

    Other connections are served between two steps, and no job waits for the end of another.
    """

    def __init__(self) -> None:
        self._jobs: deque[Callable[[], bool]] = deque()

    @property
    def busy(self) -> bool:
        """Whether a job waits for its turn."""
        return bool(self._jobs)

    def add(self, step: Callable[[], bool]) -> None:
        """Call `step` in later turns until it returns False."""
        self._jobs.append(step)
        if len(self._jobs) == 1:
            asyncio.get_running_loop().call_soon(self._next)

    def _next(self) -> None:
        step = self._jobs[0]
        try:
            goes_on = step()
        finally:
            self._jobs.popleft()
            if self._jobs:
                asyncio.get_running_loop().call_soon(self._next)
        if goes_on:
            self.add(step)
