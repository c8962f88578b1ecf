"""Rolling updates: replace a version of a service with an instance ready at all times."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Coroutine
from typing import Any, Protocol

from eas_processor.contracts.backend import Backend
from eas_processor.contracts.settings import ServiceSettings
from eas_processor.errors import SetupError, UpdateError


class Rolling(Protocol):
    """The interface of a supervisor that a rolling update uses."""

    def begin_update(self, settings: ServiceSettings) -> None:
        """Keep instances of `settings` alive, in addition to those of the version that serves."""

    def end_update(self, settings: ServiceSettings) -> None:
        """Keep only instances of `settings` alive from now on."""

    def serving(self) -> list[Any]:
        """Return the instances that take calls, oldest first."""

    def retire(self, instance: Any) -> asyncio.Task[None]:
        """Let an instance finish the calls that it holds, then end it."""

    def trim(self) -> list[asyncio.Task[None]]:
        """Retire the instances of other versions, and those above the configured number."""

    def bring_back(self, settings: ServiceSettings) -> None:
        """Start a missing instance, and retry until it is ready."""

    async def start_instance(self, settings: ServiceSettings) -> None:
        """Start an instance and wait until it is ready. Raises SetupError."""

    async def scale(self, settings: ServiceSettings) -> None:
        """Apply settings that need no new workers. Raises SetupError."""


def allowance(share: int | str, instances: int, *, up: bool) -> int:
    """Return `share` of `instances`, a number or a percentage, rounded `up` or down."""
    text = str(share)
    if not text.endswith("%"):
        return int(text)
    exact = int(text[:-1]) * instances / 100
    return math.ceil(exact) if up else math.floor(exact)


async def change(supervisor: Rolling, before: ServiceSettings, after: ServiceSettings) -> bool:
    """Replace the settings `before` by `after`; return whether instances were replaced."""
    if after.needs_new_workers(before):
        await roll(supervisor, before, after)
        return True
    await supervisor.scale(after)
    return False


async def roll(supervisor: Rolling, before: ServiceSettings, after: ServiceSettings) -> None:
    """
    Replace the instances of `before` by instances of `after`, and wait until the old ones end.

    Raises SetupError if an instance of `after` does not become ready. Instances of `before` serve
    then. If those cannot be started again either, every ready instance serves until they can.
    """
    supervisor.begin_update(after)
    drains: list[asyncio.Task[None]] = []
    try:
        await _bring_up(supervisor, after, drains)
    except SetupError as failure:
        supervisor.end_update(before)
        await _go_back(supervisor, before, failure)
        raise
    except BaseException:
        supervisor.end_update(before)
        raise
    supervisor.end_update(after)
    drains += supervisor.trim()
    await asyncio.gather(*drains)


async def _bring_up(
    supervisor: Rolling, after: ServiceSettings, drains: list[asyncio.Task[None]]
) -> None:
    wanted = after.instances
    unavailable = allowance(after.max_unavailable, wanted, up=False)
    surge = allowance(after.max_surge, wanted, up=True)
    if not surge and not unavailable:
        surge = 1
    old = _older(supervisor, after)
    most = max(wanted, len(old)) + surge
    started = 0
    while started < wanted:
        old = _older(supervisor, after)
        room = most - len(old) - started
        if room < 1:
            # No surge is allowed, or old instances that died were replaced meanwhile. Wait until
            # old ones have ended, so that new ones can take their places.
            await asyncio.gather(*map(supervisor.retire, old[: max(1, unavailable)]))
            continue
        count = min(room, wanted - started)
        await _together(supervisor.start_instance(after) for _ in range(count))
        started += count
        # Counted again, because an old instance may have died while the new ones started.
        old = _older(supervisor, after)
        surplus = old[: max(0, len(old) + started - wanted)]
        drains += [supervisor.retire(each) for each in surplus]


async def _go_back(supervisor: Rolling, before: ServiceSettings, failure: SetupError) -> None:
    """Restore the instances of `before`. New ones are retired only once enough old ones serve."""
    try:
        await _together(
            supervisor.start_instance(before) for _ in range(_missing(supervisor, before))
        )
    except SetupError as error:
        for _ in range(_missing(supervisor, before)):
            supervisor.bring_back(before)
        raise UpdateError(
            f"{failure}; the previous version does not start again either, which will be retried: "
            f"{error}"
        ) from failure
    supervisor.trim()


def _missing(supervisor: Rolling, settings: ServiceSettings) -> int:
    return settings.instances - sum(
        not each.settings.needs_new_workers(settings) for each in supervisor.serving()
    )


def _older(supervisor: Rolling, after: ServiceSettings) -> list[Backend]:
    return [each for each in supervisor.serving() if each.settings.needs_new_workers(after)]


async def _together(starts: Any) -> None:
    jobs: list[Coroutine[Any, Any, None]] = list(starts)
    outcomes = await asyncio.gather(*jobs, return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
