"""All services of an engine: from the command line and from watched directories."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable, Sequence
from pathlib import Path
from typing import Any

from eas_processor.app.directories import Directories
from eas_processor.app.hosting import Host, Shares, Source
from eas_processor.serving.background import end_tasks, in_background
from eas_processor.serving.service import Service

log = logging.getLogger("eas_processor.engine")

_LOOK_S = 1.0


class Services:
    """
    Starts, changes and ends the services of an engine.

    With `watches`, a service is reloaded when its source has changed.
    """

    def __init__(self, shares: Shares, *, watches: bool = False) -> None:
        self._shares = shares
        self._watches = watches
        self._hosts: list[Host] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._removals: set[asyncio.Task[None]] = set()

    @property
    def hosts(self) -> Sequence[Host]:
        """The hosts of all services, in the order in which they were added."""
        return self._hosts

    @property
    def most_grace(self) -> float:
        """The longest grace period of all services, in seconds."""
        return max((each.settings.grace for each in self._each_service()), default=0.0)

    @property
    def outstanding(self) -> int:
        """The number of unanswered calls of all services."""
        return sum(each.admission.outstanding for each in self._each_service())

    async def start_alone(self, source: Source) -> None:
        """Start the only service. Raises SetupError when it cannot start."""
        await self._take_in(source).start()

    async def start_all(self, sources: Iterable[Source]) -> None:
        """Start services concurrently, and wait until each has been tried once."""
        hosts = [self._take_in(each) for each in sources]
        if hosts:
            await asyncio.wait([each.begin() for each in hosts])
        serving = sum(each.serves for each in hosts)
        log.info("%d of %d services serve", serving, len(hosts))

    def add(self, source: Source) -> None:
        """Start one more service."""
        self._take_in(source).begin()

    def remove(self, host: Host) -> None:
        """Remove a service: new calls are refused, accepted ones are answered."""
        log.info("%s: removing the service", host)
        self._hosts.remove(host)
        self._spawn(host.remove(), self._removals)

    def reload_all(self) -> None:
        """Reload every service."""
        for each in self._hosts:
            self._spawn(each.try_to_reload())

    def follow(self, directories: Directories, make: Callable[[Path], Source]) -> None:
        """Add and remove services as files are added to `directories` and removed."""
        self._spawn(self._follow(directories, make))

    async def end_changes(self) -> None:
        """Stop starting and changing services. Removed services still finish their calls."""
        await end_tasks(self._tasks)
        for each in self._hosts:
            await each.end_changes()

    async def stop(self) -> None:
        """End all instances, and wait for them."""
        await self.end_changes()
        await end_tasks(self._removals)
        await asyncio.gather(*(each.stop() for each in self._hosts))

    def _each_service(self) -> Iterable[Service]:
        return (service for each in self._hosts if (service := each.service) is not None)

    def _take_in(self, source: Source) -> Host:
        host = Host(source, self._shares)
        self._hosts.append(host)
        if self._watches:
            host.watch(self._renamed)
        return host

    def _renamed(self, host: Host) -> None:
        """Replace a service whose name in its file has changed."""
        self.remove(host)
        self.add(host.source)

    async def _follow(self, directories: Directories, make: Callable[[Path], Source]) -> None:
        while True:
            await asyncio.sleep(_LOOK_S)
            added, removed = await in_background(directories.look)
            hosts = {each.source.label: each for each in self._hosts}
            for label in map(str, removed):
                if label in hosts:
                    self.remove(hosts[label])
            for path in added:
                if str(path) not in hosts:
                    self.add(make(path))

    def _spawn(
        self, job: Coroutine[Any, Any, None], tasks: set[asyncio.Task[None]] | None = None
    ) -> asyncio.Task[None]:
        tasks = self._tasks if tasks is None else tasks
        task = asyncio.create_task(job)
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        return task
