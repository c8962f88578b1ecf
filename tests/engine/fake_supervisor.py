"""A supervisor without workers: what an update asks of it, and how many served meanwhile."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from eas_processor.engine.instance import State
from eas_processor.engine.settings import ServiceSettings
from eas_processor.errors import StartError


class FakeSupervisor:
    """Its instances are ready two turns of the loop after their start, and end after two more."""

    def __init__(self, settings: ServiceSettings) -> None:
        self.settings = settings
        self.instances: list[Any] = []
        self.broken: set[str] = set()
        """The model configs with which nothing starts."""
        self.brought_back: list[str] = []
        """The model configs of what is to be started until it is ready."""
        self.most = self.fewest = settings.instances
        """Processes, and instances that take requests, seen at any time."""
        for _ in range(settings.instances):
            self._add(settings, State.READY)
        self._next: ServiceSettings | None = None

    @property
    def configs(self) -> list[str]:
        return [each.settings.worker.model_config for each in self.serving()]

    def serving(self) -> list[Any]:
        return [each for each in self.instances if each.state is State.READY]

    def begin_update(self, settings: ServiceSettings) -> None:
        self._next = settings

    def end_update(self, settings: ServiceSettings) -> None:
        self.settings, self._next = settings, None

    async def start_instance(self, settings: ServiceSettings) -> None:
        made = self._add(settings, State.STARTING)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        if settings.worker.model_config in self.broken:
            self.instances.remove(made)
            raise StartError("it does not start")
        made.state = State.READY

    def bring_back(self, settings: ServiceSettings) -> None:
        self.brought_back.append(settings.worker.model_config)

    async def scale(self, settings: ServiceSettings) -> None:
        missing = settings.instances - self.settings.instances
        self.settings = settings
        for _ in range(missing):
            await self.start_instance(settings)
        await asyncio.gather(*self.trim())

    def trim(self) -> list[asyncio.Task[None]]:
        old = [each for each in self.serving() if each.settings.needs_new_workers(self.settings)]
        kept = [each for each in self.serving() if each not in old]
        return [self.retire(each) for each in old + kept[: len(kept) - self.settings.instances]]

    def retire(self, instance: Any) -> asyncio.Task[None]:
        instance.state = State.DRAINING
        self.fewest = min(self.fewest, len(self.serving()))
        return asyncio.create_task(self._end(instance))

    async def _end(self, instance: Any) -> None:
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        self.instances.remove(instance)

    def _add(self, settings: ServiceSettings, state: State) -> Any:
        made = SimpleNamespace(
            settings=settings, state=state, number=len(self.instances) + 1, pid=7, held={}
        )
        self.instances.append(made)
        alive = [each for each in self.instances if each.state is not State.DRAINING]
        self.most = max(self.most, len(alive))
        return made
