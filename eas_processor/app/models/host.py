"""One model: which of its versions are wanted, and what brings that about."""

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
    Keeps the versions of one model as its configuration and its directory want them.

    A new version serves before an old one goes. What cannot be loaded, and a directory that cannot
    be read, take nothing away.
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
        """Those that are not unloaded; one that has failed stays as long as it is wanted."""
        self._ending: dict[int, asyncio.Task[None]] = {}
        """Those that go, by number."""
        self._aspired: set[int] = set()
        self._said = ""
        self._tasks: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()
        self._everything: set[Version] = set()
        """Also those that go."""
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
        """Whether a version takes calls, or none of those that are wanted ever will."""
        if self.available or self._is_removed:
            return True
        wanted = [self._versions[number] for number in self._aspired]
        return bool(wanted) and all(each.settled for each in wanted)

    @property
    def failures(self) -> dict[int, str]:
        """Why versions that are wanted could not be loaded."""
        failed = (each for each in self._versions.values() if each.settled and not each.available)
        return {each.number: each.state.message for each in failed}

    @property
    def versions(self) -> int:
        """How many there are, also of those that load or go."""
        return len(self._everything)

    def services(self) -> Iterator[Any]:
        """Yield what takes the calls of each version, also of those that go."""
        return (each.service for each in self._everything if each.service is not None)

    async def look(self) -> None:
        """Look at the directory of the model, and begin with what is to be done."""
        config = self.config
        try:
            found = await in_background(lambda: find_versions(config.base_path))
        except (OSError, StartError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            self._say(f"its base path {config.base_path} cannot be read: {reason}")
            return
        if self._is_removed or self.config is not config:
            return  # what was found is of a configuration that has gone meanwhile
        aspired = aspired_versions(config.policy, found)
        if not aspired:
            self._say(
                f"No versions of servable {self.name} found under base path "
                f"{config.base_path}; expected directories whose names are numbers"
            )
        else:
            self._said = ""
        self.aspire(aspired)

    def aspire(self, aspired: dict[int, Path]) -> None:
        """Have these versions, and begin with what is to be done."""
        self._aspired = set(aspired)
        for number, version in list(self._versions.items()):
            if number not in aspired and not version.available:
                # It loads, or has failed: if it comes back, it is tried anew.
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
        """Wait until it is `settled`, or `end_changes` has been called."""
        while not (self.settled or self._changes_end):
            self._changed.clear()
            await self._changed.wait()

    async def _load(self, version: Version) -> None:
        if (before := self._ending.get(version.number)) is not None:
            await asyncio.wait([before])
            if self._versions.get(version.number) is not version:
                return  # it has been dropped while it waited
        await asyncio.wait([version.load()])
        if not self.available and self.settled:
            self.entry.phase, self.entry.reason = Phase.FAILED, version.state.message
        self._settle()
        self._changed.set()

    def _drop(self, number: int) -> None:
        """Have a version end, and its number be free for another."""
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
        """Unload what is not wanted any more, if enough of what is serves."""
        settled = {number for number in self._aspired if self._versions[number].settled}
        for number in to_unload(self._aspired, self.available, settled):
            self._drop(number)

    def _say(self, sentence: str) -> None:
        if sentence != self._said:
            self._said = sentence
            log.warning("%s: %s", self, sentence)

    # What the admin routes show

    def describe(self) -> dict[str, Any]:
        """Return the versions and their instances, as JSON can hold them."""
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
        Look at the directory now, and wait for what is wanted.

        Raises SetupError where a version of that cannot be loaded.
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
            "a model's versions are those of its directory: name one with version_policy "
            "{ specific { versions: N } }, or move a label"
        )

    # The end

    async def remove(self) -> None:
        """
        Give up the name, finish the calls that there are, and unload every version.

        The registry goes on telling of them until another model has the name.
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
        """Load and unload nothing any more."""
        await end_tasks(self._tasks)
        self._changes_end = True
        self._changed.set()

    def _spawn(self, job: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(job)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
