"""The host of one model: loads the versions that are wanted and unloads others."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

from eas_processor.app.hosting import Shares
from eas_processor.app.models.aspired import aspired_versions, to_unload
from eas_processor.app.models.version import Loading, Version
from eas_processor.config.models import ModelConfig
from eas_processor.errors import SetupError, StartError, UpdateError
from eas_processor.model_store.numbered import find_versions
from eas_processor.serving.background import end_tasks, in_background
from eas_processor.serving.registry import Entry, Phase
from eas_processor.serving.tokens import Tokens
from eas_processor.serving.updates import describe_instance

log = logging.getLogger("eas_processor.engine")


class ModelHost:
    """
    Keeps the versions of one model in line with its configuration and its directory.

    A new version serves before an old one is unloaded. If a version cannot be loaded or the
    directory cannot be read, the present versions keep serving.
    """

    def __init__(
        self, config: ModelConfig, shares: Shares, loading: Loading, frontends: frozenset[str]
    ) -> None:
        self.config = config
        self.entry = Entry(config.name, Tokens(""), frontends)
        self.entry.phase = Phase.STARTING
        self._shares = shares
        self._loading = loading
        self._versions: dict[int, Version] = {}
        """The versions that are not unloaded. A failed one stays here while it is wanted."""
        self._ending: dict[int, asyncio.Task[None]] = {}
        """The tasks that unload versions, by number."""
        self._aspired: set[int] = set()
        self._logged = ""
        self._tasks: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()
        self._everything: set[Version] = set()
        """All versions, including those that are unloading."""
        self._is_removed = False
        self._changes_end = False

    def __str__(self) -> str:
        return self.config.name

    @property
    def name(self) -> str:
        return self.config.name

    @property
    def available(self) -> set[int]:
        """The versions that take calls."""
        return {number for number, each in self._versions.items() if each.available}

    @property
    def settled(self) -> bool:
        """Whether a version takes calls, or all wanted versions have failed."""
        if self.available or self._is_removed:
            return True
        wanted = [self._versions[number] for number in self._aspired]
        return bool(wanted) and all(each.settled for each in wanted)

    @property
    def failures(self) -> dict[int, str]:
        """The reasons why wanted versions could not be loaded, by number."""
        failed = (each for each in self._versions.values() if each.settled and not each.available)
        return {each.number: each.state.message for each in failed}

    @property
    def versions(self) -> int:
        """The number of versions, including those that are loading or unloading."""
        return len(self._everything)

    def services(self) -> Iterator[Any]:
        """Yield the service of each version, including those that are unloading."""
        return (each.service for each in self._everything if each.service is not None)

    async def look(self) -> None:
        """List the directory of the model, and begin to load and unload versions."""
        config = self.config
        try:
            found = await in_background(lambda: find_versions(config.base_path))
        except (OSError, StartError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            self._say(f"its base path {config.base_path} cannot be read: {reason}; waiting for it")
            return
        if self._is_removed or self.config is not config:
            return  # the configuration has changed meanwhile
        aspired = aspired_versions(config.policy, found)
        if not aspired:
            self._say(
                f"No versions of servable {self.name} found under base path {config.base_path}; "
                "expected directories whose names are numbers, with a model in each"
            )
        else:
            self._logged = ""
        self.aspire(aspired)

    def aspire(self, aspired: dict[int, Path]) -> None:
        """Begin to load `aspired`, the directories of versions by number, and to unload others."""
        self._aspired = set(aspired)
        for number, version in list(self._versions.items()):
            if number not in aspired and not version.available:
                # It is loading or has failed. If it is wanted again later, it is loaded anew.
                self._drop(number)
        for number in sorted(set(aspired) - set(self._versions), reverse=True):
            version = Version(
                self.entry, number, aspired[number], self._shares, self._loading, self.config
            )
            self._versions[number] = version
            self._everything.add(version)
            self._spawn(self._load(version))
        self._settle()

    async def wait_until_settled(self) -> None:
        """Wait until the model is `settled`, or `end_changes` has been called."""
        while not (self.settled or self._changes_end):
            self._changed.clear()
            await self._changed.wait()

    async def _load(self, version: Version) -> None:
        if (before := self._ending.get(version.number)) is not None:
            await asyncio.wait([before])
            if self._versions.get(version.number) is not version:
                return  # it has been dropped meanwhile
        await asyncio.wait([version.load()])
        if not self.available and self.settled:
            self.entry.phase, self.entry.reason = Phase.FAILED, version.state.message
        self._settle()
        self._changed.set()

    def _drop(self, number: int) -> None:
        """Unload a version, and free its number for another one."""
        version = self._versions.pop(number)
        task = asyncio.create_task(version.unload())
        self._ending[number] = task
        task.add_done_callback(lambda _: self._has_ended(version, task))

    def _has_ended(self, version: Version, task: asyncio.Task[None]) -> None:
        self._everything.discard(version)
        if self._ending.get(version.number) is task:
            del self._ending[version.number]
        self._changed.set()

    def _settle(self) -> None:
        """Unload versions that are not wanted any more, if `to_unload` allows it."""
        settled = {number for number in self._aspired if self._versions[number].settled}
        for number in to_unload(self._aspired, self.available, settled):
            self._drop(number)

    def _say(self, sentence: str) -> None:
        if sentence != self._logged:
            self._logged = sentence
            log.warning("%s: %s", self, sentence)

    # The admin routes

    def describe(self) -> dict[str, Any]:
        """Return the versions and their instances, as values for JSON."""
        instances = [
            {**describe_instance(each), "version": number}
            for number, version in sorted(self._versions.items())
            if version.service is not None
            for each in version.service.instances.instances
        ]
        return {
            "service": self.name,
            "state": self.entry.phase.value,
            "reason": self.entry.reason,
            "file": str(self.config.base_path),
            "version": max(self.available, default=0),
            "versions": {
                str(number): state.stage.value for number, state in self.entry.states.items()
            },
            "wanted": len(self._aspired),
            "instances": instances,
            "dead": [],
            "last_update": {},
        }

    async def reload(self) -> dict[str, Any]:
        """
        List the directory now, and wait until the wanted versions have settled.

        Raises SetupError if one of them cannot be loaded.
        """
        await self.look()
        while not all(self._versions[number].settled for number in self._aspired):
            self._changed.clear()
            await self._changed.wait()
        if failures := self.failures:
            number, reason = max(failures.items())
            raise SetupError(f"version {number} of {self.name} cannot be loaded: {reason}")
        return {"outcome": "looked at", "version": max(self.available, default=0)}

    async def rollback(self) -> dict[str, Any]:
        raise UpdateError(
            "models have no rollback: select a version with model_version_policy "
            "{ specific { versions: N } }, or move a label"
        )

    # The end

    async def remove(self) -> None:
        """
        Remove the model, finish its calls, and unload all versions.

        The registry keeps their states until another model has the name.
        """
        self._is_removed = True
        self._changed.set()
        self._shares.registry.remove(self.entry)
        await end_tasks(self._tasks)
        self._aspired = set()
        for number in list(self._versions):
            self._drop(number)
        await asyncio.gather(*self._ending.values())

    async def stop(self) -> None:
        """End all instances at once."""
        await end_tasks(self._tasks)
        everything, ending = list(self._everything), list(self._ending.values())
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)
        await asyncio.gather(*(each.stop() for each in everything))

    async def end_changes(self) -> None:
        """Stop loading and unloading versions."""
        await end_tasks(self._tasks)
        self._changes_end = True
        self._changed.set()

    def _spawn(self, job: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(job)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
