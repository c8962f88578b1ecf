"""One version of a model: loading with retries, serving and unloading."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from eas_processor.app.hosting import Shares
from eas_processor.config.models import ModelConfig
from eas_processor.contracts.settings import ServiceSettings
from eas_processor.errors import SetupError
from eas_processor.link import codes
from eas_processor.serving.admission import Admission
from eas_processor.serving.background import in_background
from eas_processor.serving.registry import Entry, Phase
from eas_processor.serving.service import Service
from eas_processor.serving.version_states import Stage, VersionState

log = logging.getLogger("eas_processor.engine")

_DRAIN_STEP_S = 0.02
_CANCELLED = "Loading of servable cancelled"

Plan = Callable[[ModelConfig, int, Path], ServiceSettings]
"""Returns settings for a model, a version's number and its directory. Runs in a thread."""


@dataclass(frozen=True)
class Loading:
    """How versions are loaded: `retries` after the first attempt, `interval` seconds apart."""

    plan: Plan
    retries: int = 5
    interval: float = 60.0


class Version:
    """
    A version of a model, from loading to the end.

    It is in the entry of its model while it takes calls. Its state stays in the entry.
    """

    def __init__(
        self,
        entry: Entry,
        number: int,
        directory: Path,
        shares: Shares,
        loading: Loading,
        config: ModelConfig,
    ) -> None:
        self.number = number
        self.directory = directory
        self.service: Service | None = None
        self._entry = entry
        self._shares = shares
        self._loading = loading
        self._config = config
        self._load: asyncio.Task[None] | None = None
        self.state = VersionState(Stage.START)
        """The state of this version. The entry has that of the last version with its number."""

    def __str__(self) -> str:
        return f"{self._entry.name}: version {self.number}"

    @property
    def available(self) -> bool:
        """Whether it takes calls."""
        return self.state.stage is Stage.AVAILABLE

    @property
    def settled(self) -> bool:
        """Whether it takes calls, or has ended."""
        return self.state.stage in (Stage.AVAILABLE, Stage.END)

    def load(self) -> asyncio.Task[None]:
        """Load it in a task. The task does not raise; `state` has the result."""
        self._set(Stage.START)
        self._load = asyncio.create_task(self._load_with_retries())
        return self._load

    async def unload(self) -> None:
        """Refuse new calls, finish accepted ones, and end the instances."""
        if self._load is not None and not self._load.done():
            self._load.cancel()
            await asyncio.wait([self._load])
        if self.service is not None and self.available:
            self._set(Stage.UNLOADING)
            if self._entry.versions.get(self.number) is self.service:
                self._entry.withdraw(self.number)
            while self.service.admission.outstanding:
                await asyncio.sleep(_DRAIN_STEP_S)
            await self._end_service()
            self._set(Stage.END)
            log.info("%s is unloaded", self)

    async def stop(self) -> None:
        """End the instances at once."""
        if self._load is not None:
            self._load.cancel()
            await asyncio.wait([self._load])
        await self._end_service()

    async def _load_with_retries(self) -> None:
        tries = 0
        while True:
            try:
                await self._load_once()
                return
            except asyncio.CancelledError:
                self._set(Stage.END, codes.CANCELLED, _CANCELLED)
                raise
            except SetupError as error:
                reason = str(error)
            except Exception as error:
                log.exception("%s cannot be loaded", self)
                reason = f"{type(error).__name__}: {error}"
            if tries >= self._loading.retries:
                break
            tries += 1
            log.error("%s cannot be loaded, and will be tried again: %s", self, reason)
            try:
                await asyncio.sleep(max(0.0, self._loading.interval))
            except asyncio.CancelledError:
                self._set(Stage.END, codes.CANCELLED, _CANCELLED)
                raise
        log.error("%s cannot be loaded: %s", self, reason)
        self._set(Stage.END, codes.INTERNAL, reason)

    async def _load_once(self) -> None:
        self._set(Stage.LOADING)
        shares = self._shares
        plan = partial(self._loading.plan, self._config, self.number, self.directory)
        settings = await in_background(plan)
        shares.reserve_files(settings)
        admission = Admission(settings)
        instances = shares.make_instances(settings, admission)
        self.service = Service(
            settings, admission, instances, shares.budget, shares.settings.max_body
        )
        try:
            await instances.start()
        except BaseException:
            await self._end_service()
            raise
        self._entry.publish(self.number, self.service)
        self._entry.phase, self._entry.reason = Phase.SERVING, ""
        self._set(Stage.AVAILABLE)
        name, number = self._entry.name, self.number
        log.info("Successfully loaded servable version {name: %s version: %d}", name, number)

    async def _end_service(self) -> None:
        service, self.service = self.service, None
        if service is not None:
            service.admission.expect(False, "this version has been unloaded")
            await service.instances.stop()

    def _set(self, stage: Stage, code: int = codes.OK, message: str = "") -> None:
        self.state = self._entry.states[self.number] = VersionState(stage, code, message)
