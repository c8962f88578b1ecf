"""
The launchers of an engine: one for each interpreter, code, hooks and environment.

docs/decisions/forked-workers.md says why workers are forked.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from eas_processor.contracts.settings import WorkerSettings
from eas_processor.errors import KilledError, StartError
from eas_processor.instances.launcher import Launcher
from eas_processor.instances.processes import Processes
from eas_processor.serving.background import end_tasks

log = logging.getLogger("eas_processor.engine")

_KEPT_S = 60.0
"""How long a launcher is kept after the last worker that uses it has ended."""
_AGAIN_S, _LONGEST_AGAIN_S = 1.0, 60.0
"""The first and the longest pause between attempts to fork a spare. Each pause doubles."""

_Key = tuple[Path, Path, str, tuple[tuple[str, str], ...]]


class LauncherPool:
    """
    Starts launchers when they are needed, and keeps those that can fork another worker.

    A launcher that is kept has a spare: a forked copy that replaces it when it dies, so that the
    build is imported only once. `get` counts a user and `release` uncounts it.
    """

    def __init__(self, processes: Processes) -> None:
        self._processes = processes
        self._kept: dict[_Key, _Kept] = {}

    def __len__(self) -> int:
        """Return the number of launchers, without their spares."""
        return sum(each.launcher is not None for each in self._kept.values())

    async def get(self, settings: WorkerSettings) -> Launcher:
        """Return a launcher that can start a worker with `settings`. Raises StartError."""
        key = _key(settings)
        kept = self._kept.get(key)
        if kept is None:
            kept = self._kept[key] = _Kept(settings, self._processes)
        kept.count_user()
        try:
            return await kept.get()
        except BaseException:
            self.release(settings)
            raise

    def release(self, settings: WorkerSettings) -> None:
        """Note that a worker whose launcher came from `get` has ended."""
        key = _key(settings)
        if (kept := self._kept.get(key)) is not None and kept.uncount_user():
            kept.end_later(lambda: self._kept.pop(key, None))

    async def stop(self) -> None:
        """End every launcher and wait until all have ended."""
        kept, self._kept = self._kept, {}
        await asyncio.gather(*(each.stop() for each in kept.values()))


class _Kept:
    """A launcher, its spare, and the number of their users."""

    def __init__(self, settings: WorkerSettings, processes: Processes) -> None:
        self.launcher: Launcher | None = None
        self._spare: Launcher | None = None
        self._alone: set[Launcher] = set()
        """Launchers that cannot fork. Each has become a worker."""
        self._settings = settings
        self._processes = processes
        # Instances that start together share one launcher.
        self._starting = asyncio.Lock()
        self._failures = 0
        self._failure = ""
        self._forking = asyncio.Lock()
        self._users = 0
        self._end: asyncio.TimerHandle | None = None
        self._stopping = False
        self._tasks: set[asyncio.Task[None]] = set()

    def count_user(self) -> None:
        self._users += 1
        if self._end is not None:
            self._end.cancel()
            self._end = None

    def uncount_user(self) -> bool:
        """Uncount a user and return whether it was the last."""
        self._users -= 1
        return self._users == 0

    def end_later(self, on_end: Any) -> None:
        """End launcher and spare after `_KEPT_S`, unless a user comes before."""

        def end() -> None:
            on_end()
            self._spawn(self.stop())

        self._end = asyncio.get_running_loop().call_later(_KEPT_S, end)

    async def get(self) -> Launcher:
        failures = self._failures
        async with self._starting:
            if self.launcher is not None and self.launcher.serves():
                return self.launcher
            if self._failures != failures:
                # The start that this call waited for failed. Another would take seconds and fail.
                raise StartError(self._failure)
            launcher = await self._start()
            if launcher.serves():
                self.launcher = launcher
                self._spawn(self._fork_spare())
            elif not launcher.ended:
                self._alone.add(launcher)
            return launcher

    async def _start(self) -> Launcher:
        launcher = Launcher(self._settings, self._processes, self._ended)
        try:
            await launcher.start()
        except BaseException as error:
            launcher.kill()
            if isinstance(error, StartError) and not isinstance(error, KilledError):
                self._failures += 1
                self._failure = str(error)
            raise
        return launcher

    async def stop(self) -> None:
        self._stopping = True
        if self._end is not None:
            self._end.cancel()
        await end_tasks(self._tasks - {asyncio.current_task()})
        both = [each for each in (self.launcher, self._spare) if each is not None]
        await asyncio.gather(*(each.stop() for each in [*both, *self._alone]))

    def _ended(self, launcher: Launcher) -> None:
        self._alone.discard(launcher)
        if self._stopping:
            return
        if launcher is self.launcher:
            self.launcher, self._spare = self._spare, None
            then = "its spare takes over" if self.launcher else "the next start creates another"
            log.warning("%s has ended; %s", launcher, then)
            launcher.close()
            self._spawn(self._fork_spare())
        elif launcher is self._spare:
            self._spare = None
            self._spawn(self._fork_spare())

    async def _fork_spare(self) -> None:
        async with self._forking:
            pause = _AGAIN_S
            while (launcher := self.launcher) is not None and self._spare is None:
                try:
                    spare = await launcher.fork(self._ended)
                except StartError as error:
                    if not launcher.ended:
                        log.warning("%s has no spare: %s", launcher, error)
                        await asyncio.sleep(pause)
                        pause = min(2 * pause, _LONGEST_AGAIN_S)
                else:
                    if not spare.ended:
                        self._spare = spare

    def _spawn(self, job: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(job)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _key(settings: WorkerSettings) -> _Key:
    environment = tuple(sorted(settings.environment.items()))
    return settings.python, settings.code, settings.hooks, environment
