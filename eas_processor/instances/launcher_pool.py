"""The launchers of an engine: one for each interpreter, code, hooks and environment."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

from eas_processor.contracts.settings import WorkerSettings
from eas_processor.instances.launcher import Launcher


class LauncherPool:
    """
    Starts launchers when they are needed, and keeps those that can fork another worker.

    They introduce themselves on `socket`. `on_exit` is called with the number of an instance and
    how its worker ended.
    """

    def __init__(self, socket: Path, on_exit: Callable[[int, str], None]) -> None:
        self._socket = socket
        self._on_exit = on_exit
        self._numbers = itertools.count(1)
        self._launchers: dict[int, Launcher] = {}
        # Two instances that start together share a launcher.
        self._starting = asyncio.Lock()

    def __len__(self) -> int:
        """Return how many launchers are kept."""
        return len(self._launchers)

    async def get(self, settings: WorkerSettings) -> Launcher:
        """Return a launcher that can start a worker of these settings. Raises StartError."""
        async with self._starting:
            for number, launcher in list(self._launchers.items()):
                if launcher.serves(settings):
                    return launcher
                if launcher.ended:
                    del self._launchers[number]
            number = next(self._numbers)
            launcher = Launcher(number, settings, self._on_exit)
            self._launchers[number] = launcher
            try:
                await launcher.start(self._socket)
            except BaseException:
                launcher.kill()
                raise
            return launcher

    def introduced(
        self, facts: dict[str, Any], transport: asyncio.Transport
    ) -> asyncio.Protocol | None:
        """Give a new connection to the launcher it belongs to, if that is still kept."""
        launcher = self._launchers.get(facts["launcher"])
        return launcher.introduced(facts, transport) if launcher else None

    async def stop(self) -> None:
        """End every launcher with what it has forked, and wait until all are gone."""
        for launcher in self._launchers.values():
            await launcher.stop()
