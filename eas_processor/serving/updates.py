"""Updates of a running service: a new service file, a new model, and the way back."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

from eas_processor.contracts.backend import Backend
from eas_processor.contracts.settings import ServiceSettings
from eas_processor.errors import SetupError, UpdateError
from eas_processor.serving.background import in_background
from eas_processor.serving.registry import Entry

log = logging.getLogger("eas_processor.engine")


class Updates:
    """
    Updates one service, and remembers the previous version for a rollback.

    `reread` reads the service file again and fetches its model. `model_is_kept` runs in a thread
    and returns whether a version's model files are still those from which it was loaded.
    """

    def __init__(
        self,
        entry: Entry,
        reread: Callable[[], Awaitable[ServiceSettings]],
        model_is_kept: Callable[[ServiceSettings], bool] = lambda _: True,
    ) -> None:
        (self._version,) = entry.versions
        self._entry = entry
        self._service = entry.versions[self._version]
        self._instances = self._service.instances
        self._reread = reread
        self._model_is_kept = model_is_kept
        self._lock = asyncio.Lock()
        self._current = self._service.settings
        self._previous: ServiceSettings | None = None
        self._last: dict[str, Any] = {}

    async def reload(self) -> dict[str, Any]:
        """Apply the service file as it is now. Raises SetupError, and the old version serves."""
        async with self._lock:
            return await self._note("reload", self._read_and_change())

    async def rollback(self) -> dict[str, Any]:
        """Go back to the previous version. Raises SetupError, and the present one serves."""
        async with self._lock:
            return await self._note("rollback", self._change_back())

    def describe(self) -> dict[str, Any]:
        """Return the service, its instances and the last update, in types that JSON has."""
        return {
            "service": self._current.name,
            "version": self._version,
            "wanted": self._current.instances,
            "instances": [describe_instance(each) for each in self._instances.instances],
            "dead": list(self._instances.dead),
            "last_update": self._last,
        }

    async def _note(self, kind: str, change: Any) -> dict[str, Any]:
        name = self._current.name
        began = datetime.now(UTC).isoformat(timespec="seconds")
        self._last = {"kind": kind, "began": began, "outcome": "under way"}
        try:
            outcome = await change
        except SetupError as error:
            self._last |= {"outcome": "failed", "reason": str(error)}
            log.error("%s: %s failed, version %d serves: %s", name, kind, self._version, error)
            raise
        except BaseException:
            self._last["outcome"] = "ended"
            raise
        self._last["outcome"] = outcome
        log.info("%s: %s: %s, version %d serves", name, kind, outcome, self._version)
        return {"outcome": outcome, "version": self._version}

    async def _read_and_change(self) -> str:
        settings = await self._reread()
        if settings.name != self._current.name:
            raise UpdateError(
                f"name: the service file says {settings.name!r}, but the service was started as "
                f"{self._current.name!r}; a reload cannot change the name, start another service"
            )
        return await self._change(settings)

    async def _change_back(self) -> str:
        if (before := self._previous) is None:
            raise UpdateError("there is no previous version to go back to")
        loads = before.needs_new_workers(self._current)
        if loads and not await in_background(partial(self._model_is_kept, before)):
            raise UpdateError(
                f"the model of the previous version, {before.worker.model_entry}, was overwritten "
                "or removed; to be able to go back, keep each version in a directory of its own, "
                "such as the numbered ones in model_path"
            )
        return await self._change(before, "the previous version serves again")

    async def _change(
        self, after: ServiceSettings, replaced: str = "the new version has replaced the old one"
    ) -> str:
        before = self._current
        if after == before:
            return "nothing has changed"
        restarted = await self._instances.change(before, after)
        outcome = replaced if restarted else "changed without a restart"
        self._service.configure(after)
        self._previous, self._current = before, after
        self._version += 1
        self._entry.renumber(self._version - 1, self._version)
        return outcome


def describe_instance(instance: Backend) -> dict[str, Any]:
    """Return the identity and state of an instance, in types that JSON has."""
    return {
        "instance": instance.number,
        "pid": instance.pid,
        "state": instance.state.value,
        "build": instance.settings.worker.build,
        "model": str(instance.settings.worker.model_entry),
        "requests": len(instance.held),
    }
