"""A rolling update: from one version of a service to another, with somebody ready all the time."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Coroutine
from typing import Any, Protocol

from eas_processor.contracts.backend import Backend
from eas_processor.contracts.settings import ServiceSettings
from eas_processor.errors import SetupError, UpdateError


class Rolling(Protocol):
    """What a rolling update asks of the instances of a service."""

    def begin_update(self, settings: ServiceSettings) -> None:
        """Keep instances of `settings` alive too, beside those of the version that serves."""

    def end_update(self, settings: ServiceSettings) -> None:
        """Keep instances of `settings` alive, and no others, from now on."""

    def serving(self) -> list[Any]:
        """Return the instances that take calls, oldest first."""

    def retire(self, instance: Any) -> asyncio.Task[None]:
        """Let an instance finish what it has, and end it."""

    def trim(self) -> list[asyncio.Task[None]]:
        """Retire what is not of the version that serves, and what is more than its instances."""

    def bring_back(self, settings: ServiceSettings) -> None:
        """Start an instance that is missing, and try again until it is ready."""

    async def start_instance(self, settings: ServiceSettings) -> None:
        """Start an instance and wait until it is ready. Raises SetupError."""

    async def scale(self, settings: ServiceSettings) -> None:
        """Take settings that need no new workers. Raises SetupError."""


def allowance(share: int | str, instances: int, *, up: bool) -> int:
    """Return how many of `instances` a number or a percentage means, rounded `up` or down."""
    text = str(share)
    if not text.endswith("%"):
        return int(text)
    exact = int(text[:-1]) * instances / 100
    return math.ceil(exact) if up else math.floor(exact)


async def change(supervisor: Rolling, before: ServiceSettings, after: ServiceSettings) -> bool:
    """Serve `after` in the place of `before`; return whether instances were replaced for it."""
    if after.needs_new_workers(before):
        await roll(supervisor, before, after)
        return True
    await supervisor.scale(after)
    return False


async def roll(supervisor: Rolling, before: ServiceSettings, after: ServiceSettings) -> None:
    """
    Replace the instances of `before` by instances of `after`, and wait until the old ones are gone.

    Raises SetupError when one of `after` does not become ready; those of `before` serve then, or
    whatever is ready until they do, where they cannot be started again either.
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
            # No surge is allowed, or old ones that died have been replaced meanwhile: the places
            # of old ones are free when they have ended.
            await asyncio.gather(*map(supervisor.retire, old[: max(1, unavailable)]))
            continue
        count = min(room, wanted - started)
        await _together(supervisor.start_instance(after) for _ in range(count))
        started += count
        # Those that serve now: one may have died while the new ones started.
        old = _older(supervisor, after)
        surplus = old[: max(0, len(old) + started - wanted)]
        drains += [supervisor.retire(each) for each in surplus]


async def _go_back(supervisor: Rolling, before: ServiceSettings, failure: SetupError) -> None:
    """Have `before` whole again; new instances go only when enough of the old are back."""
    try:
        await _together(
            supervisor.start_instance(before) for _ in range(_missing(supervisor, before))
        )
    except SetupError as error:
        for _ in range(_missing(supervisor, before)):
            supervisor.bring_back(before)
        raise UpdateError(
            f"{failure}; and the version before does not start again either, which is tried "
            f"further: {error}"
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
