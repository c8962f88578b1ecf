"""The host of one service: starts it, retries failed starts, updates it, and removes it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import os
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from time import monotonic
from typing import Any, NamedTuple, Protocol

from eas_processor.contracts.backend import Instances
from eas_processor.contracts.settings import EngineSettings, ServiceSettings
from eas_processor.errors import ServiceFileError, SetupError, UpdateError
from eas_processor.serving.admission import Admission
from eas_processor.serving.background import end_tasks, in_background
from eas_processor.serving.budget import Budget
from eas_processor.serving.registry import Entry, Phase, Registry
from eas_processor.serving.service import Service
from eas_processor.serving.tokens import Tokens
from eas_processor.serving.updates import Updates

log = logging.getLogger("eas_processor.engine")

_PAUSES_S = (1.0, 2.0, 5.0, 10.0, 15.0)
"""The pauses between attempts to start a service. The last one repeats."""
_LOOK_S = 1.0
_LOOK_EACH_S = 0.02
"""Added for each service of the engine: with many services, each looks at its files less often."""
_FIRST_VERSION = 1
_DRAIN_STEP_S = 0.02


class Identity(NamedTuple):
    """The name and the tokens of a service, which its source knows before anything is loaded."""

    name: str
    tokens: Tokens


class Source(Protocol):
    """The description of a service, such as its file. The methods run in threads."""

    @property
    def label(self) -> str:
        """The name of the source in the log and in `eascmd w`."""

    @property
    def unchangeable(self) -> str:
        """The reason why the source cannot be reloaded, "" if it can."""

    def identify(self) -> Identity:
        """Return the service's name and tokens. Raises ServiceFileError."""

    def read(self) -> ServiceSettings:
        """
        Return the settings of the service.

        Fetches its model and makes its build first, which may take minutes. Raises SetupError.
        """

    def stamp(self) -> object:
        """Return a value that changes when the source or its files may have changed."""

    def model_is_kept(self, settings: ServiceSettings) -> bool:
        """Tell whether the model's files are still those that `settings` were made from."""


@dataclass
class Shares:
    """The objects and callbacks that all services of an engine share."""

    settings: EngineSettings
    registry: Registry
    budget: Budget
    make_instances: Callable[[ServiceSettings, Admission], Instances]
    reserve_files: Callable[[ServiceSettings], None] = lambda _: None
    """Called with the settings of a service before its instances start."""
    on_reload: Callable[[], None] = lambda: None
    """Called when a service is read again. Raises SetupError."""
    on_serving: Callable[[Source, Service], None] = lambda *_: None
    """Called when a service serves for the first time."""
    on_name: Callable[[str], None] = lambda _: None
    """Called with the name of a service that is added."""
    on_removed: Callable[[str], None] = lambda _: None
    """Called with the name of a service that is removed."""


class Host:
    """
    Keeps one service in the engine.

    A name belongs to the first host that claims it. Until `start` has succeeded, the entry of the
    service says why it does not serve.
    """

    def __init__(self, source: Source, shares: Shares) -> None:
        self.source = source
        self.entry: Entry | None = None
        self.tried = False
        self._shares = shares
        self._reason = ""
        self._stamp: object = None
        """The stamp of the source when it was last read."""
        self._is_watched = self._is_removed = False
        self._updates: Updates | None = None
        self._lock = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    def __str__(self) -> str:
        return self.name

    @property
    def name(self) -> str:
        """The name of the service, or the label of its source while the name is not known."""
        return self.entry.name if self.entry is not None else self.source.label

    @property
    def service(self) -> Service | None:
        """The service that takes calls, None while there is none."""
        return self.entry.latest if self.entry is not None else None

    @property
    def serves(self) -> bool:
        """Whether the service has started."""
        return self._updates is not None

    # Starting

    async def start(self) -> None:
        """Start the service, if it does not serve yet. Raises SetupError."""
        async with self._lock:
            if not self.serves:
                await self._start()

    def begin(self) -> asyncio.Task[None]:
        """Start the service, and retry until it serves. The task ends after the first attempt."""
        return self._spawn(self._begin())

    async def _begin(self) -> None:
        if not await self._try():
            self._spawn(self._keep_trying())

    async def _keep_trying(self) -> None:
        for pause in itertools.chain(_PAUSES_S, itertools.repeat(_PAUSES_S[-1])):
            await asyncio.sleep(pause)
            if await self._try():
                return

    async def _try(self) -> bool:
        """Return whether the service serves now. The log has each new reason why it does not."""
        before = self._reason
        try:
            await self.start()
        except SetupError as error:
            if str(error) != before:
                log.error("%s cannot start, and will be tried again: %s", self, error)
            return False
        return True

    async def _start(self) -> None:
        try:
            service = await self._bring_up()
        except SetupError as error:
            self._fail(str(error))
            raise
        assert self.entry is not None
        self.entry.phase, self.entry.reason, self._reason = Phase.SERVING, "", ""
        self._open_frontends()
        self._updates = Updates(self.entry, self._reread, self.source.model_is_kept)
        self.tried = True
        self._shares.on_serving(self.source, service)

    async def _bring_up(self) -> Service:
        entry = self._claim(await in_background(self.source.identify))
        settings = await self._read()
        if settings.name != entry.name:
            raise ServiceFileError(
                f"{self.source.label}: name: was {entry.name!r} a moment ago, and is "
                f"{settings.name!r} now"
            )
        shares = self._shares
        admission = Admission(settings)
        instances = shares.make_instances(settings, admission)
        service = Service(settings, admission, instances, shares.budget, shares.settings.max_body)
        # Calls wait for the first start. After a failed start they are refused at once.
        waits = not entry.reason
        if waits:
            entry.phase = Phase.STARTING
            entry.publish(_FIRST_VERSION, service)
        try:
            await instances.start()
        except BaseException as error:
            if waits:
                entry.withdraw(_FIRST_VERSION)
                admission.expect(False, str(error))
            await instances.stop()
            raise
        if not waits:
            entry.publish(_FIRST_VERSION, service)
        return service

    async def _read(self) -> ServiceSettings:
        if self._is_watched:
            self._stamp = await in_background(self.source.stamp)
        settings = await in_background(self.source.read)
        self._shares.reserve_files(settings)
        return settings

    async def _reread(self) -> ServiceSettings:
        settings = await self._read()
        self._shares.on_reload()
        return settings

    def _claim(self, identity: Identity) -> Entry:
        """Return the entry of the service, and register it under its name if it is new."""
        if self._is_removed:
            raise UpdateError("the service has been removed")
        registry = self._shares.registry
        name, tokens = identity
        if self.entry is not None and self.entry.name == name:
            self.entry.tokens_before = tokens
            return self.entry
        if registry.find(name.encode()) is not None:
            raise ServiceFileError(
                f"{self.source.label}: name: {name!r} is served from another file already; "
                "give each service a name of its own"
            )
        self._leave()
        entry = self.entry = Entry(name, tokens)
        registry.add(entry)
        self._shares.on_name(name)
        return entry

    def _fail(self, reason: str) -> None:
        self._reason = reason
        self.tried = True
        if self.entry is not None:
            self.entry.phase, self.entry.reason = Phase.FAILED, reason

    # Changes

    def describe(self) -> dict[str, Any]:
        """Return the service, its instances and the last update, as values for JSON."""
        entry = self.entry
        facts = self._updates.describe() if self._updates is not None else _NOTHING
        return {
            **facts,
            "service": self.name,
            "state": (entry.phase if entry is not None else self._phase_without_entry()).value,
            "reason": self._reason,
            # `eascmd w` lists services of engines that were started in other directories.
            "file": os.path.abspath(self.source.label),
        }

    def _phase_without_entry(self) -> Phase:
        return Phase.FAILED if self._reason else Phase.PREPARING

    async def reload(self) -> dict[str, Any]:
        """Serve what the source says now. Raises SetupError; the old version keeps serving then."""
        if self.source.unchangeable:
            reason = f"{self.source.unchangeable}; stop it and start it again"
            log.error("%s: reload failed: %s", self, reason)
            raise UpdateError(reason)
        if self._updates is None:
            under_way = self._lock.locked()
            await self.start()
            if not under_way:
                return {"outcome": "started", "version": _FIRST_VERSION}
        # The start that was under way may have read the source before it changed.
        assert self._updates is not None
        outcome = await self._updates.reload()
        self._open_frontends()
        return outcome

    async def rollback(self) -> dict[str, Any]:
        """Serve the previous version. Raises SetupError; the present one keeps serving then."""
        if self._updates is None:
            raise UpdateError(f"the service has not started yet: {self._reason}")
        outcome = await self._updates.rollback()
        self._open_frontends()
        return outcome

    def _open_frontends(self) -> None:
        """Open the service to the protocols that the serving version asks for."""
        if self.entry is not None and (latest := self.entry.latest) is not None:
            self.entry.frontends = latest.settings.frontends

    async def try_to_reload(self) -> None:
        """Reload. The log says why a reload failed."""
        with contextlib.suppress(SetupError):
            await self.reload()

    def watch(self, on_rename: Callable[[Host], None]) -> None:
        """
        Reload when the source has changed and stayed the same for one more look.

        Call this before `start`. If the name in the source has changed, `on_rename` is called
        instead.
        """
        self._is_watched = True
        self._spawn(self._watch(on_rename))

    async def _watch(self, on_rename: Callable[[Host], None]) -> None:
        seen: object = None
        while True:
            await asyncio.sleep(_LOOK_S + _LOOK_EACH_S * len(self._shares.registry))
            before, seen = seen, await in_background(self.source.stamp)
            # A file that still changes may be half written.
            if seen != before or seen == self._stamp or self._lock.locked():
                continue
            if await self._has_another_name():
                on_rename(self)
                return
            self._stamp = seen
            await self.try_to_reload()

    async def _has_another_name(self) -> bool:
        if not self.serves:
            return False
        with contextlib.suppress(SetupError):
            return (await in_background(self.source.identify)).name != self.name
        return False

    # The end

    async def remove(self) -> None:
        """Refuse new calls, finish accepted ones within the grace period, and end the instances."""
        self._is_removed = True
        await self.end_changes()
        service = self.service
        self._leave()
        if service is None:
            return
        end = monotonic() + service.settings.grace
        try:
            while service.admission.outstanding and monotonic() < end:
                await asyncio.sleep(_DRAIN_STEP_S)
        finally:
            service.admission.expect(False, "it has been removed")
            await service.instances.stop()

    async def end_changes(self) -> None:
        """Stop retrying the start and looking for changes."""
        await end_tasks(self._tasks)

    async def stop(self) -> None:
        """End the instances at once."""
        await self.end_changes()
        if (service := self.service) is not None:
            await service.instances.stop()

    def _leave(self) -> None:
        """Remove the entry of the service, so that its name is free."""
        if self.entry is not None:
            self._shares.registry.remove(self.entry)
            self._shares.on_removed(self.entry.name)
            self.entry = None
        self._updates = None

    def _spawn(self, job: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(job)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


_NOTHING: dict[str, Any] = {
    "version": 0,
    "wanted": 0,
    "instances": [],
    "dead": [],
    "last_update": {},
}
