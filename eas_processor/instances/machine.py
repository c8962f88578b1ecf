"""The resources of the machine that all services of an engine share."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator

from eas_processor.instances.gpus import Gpus
from eas_processor.instances.launcher_pool import LauncherPool
from eas_processor.instances.processes import Processes

_SLOT_S = 10.0
"""How long a load keeps others waiting, so that one that hangs does not block other services."""


class Loads:
    """Limits how many models load at a time, so that each load makes progress."""

    def __init__(self, slots: int) -> None:
        self._slots = asyncio.Semaphore(slots)

    @contextlib.asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Wait for a slot, and release it at the end or after `_SLOT_S`."""
        await self._slots.acquire()
        left = False

        def leave() -> None:
            nonlocal left
            if not left:
                left = True
                self._slots.release()

        timer = asyncio.get_running_loop().call_later(_SLOT_S, leave)
        try:
            yield
        finally:
            timer.cancel()
            leave()


class Machine:
    """The engine's child processes, its launchers, the GPUs, and the slots for loading models."""

    def __init__(self) -> None:
        self.processes = Processes()
        self.launchers = LauncherPool(self.processes)
        self.gpus = Gpus()
        self.loads = Loads(len(os.sched_getaffinity(0)))
        self.serving: set[object] = set()
        """The instances of all services that take calls."""

    async def stop(self) -> None:
        """End every launcher, and stop watching processes."""
        await self.launchers.stop()
        await self.processes.stop()
