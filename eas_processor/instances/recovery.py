"""Recovers from the deaths of instances: retries or refuses their calls, and replaces them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from time import monotonic
from typing import Any, Protocol

from eas_processor.contracts.call import Call
from eas_processor.contracts.refusals import NotReady
from eas_processor.contracts.settings import ServiceSettings
from eas_processor.errors import SetupError
from eas_processor.instances.instance import Instance
from eas_processor.instances.starts import Starts
from eas_processor.serving.admission import Admission

log = logging.getLogger("eas_processor.engine")


class Recovered(Protocol):
    """The interface of a supervisor that recovery uses."""

    settings: ServiceSettings
    upcoming: ServiceSettings | None

    def serving(self) -> list[Instance]:
        """Return the instances that take requests, oldest first."""

    def trim(self, *, at_once: bool = True) -> list[asyncio.Task[None]]:
        """Retire the instances of other versions, and those above the configured number."""

    def spawn(self, job: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run `job` as a task of the supervisor."""

    async def start_instance(self, settings: ServiceSettings) -> None:
        """Start an instance and wait until it is ready. Raises SetupError."""


class Recovery:
    """Decides for one service what follows when an instance dies."""

    def __init__(self, supervisor: Recovered, admission: Admission, starts: Starts) -> None:
        self._supervisor = supervisor
        self._admission = admission
        self._starts = starts

    def died(self, instance: Instance, caught: list[Call]) -> None:
        """Retry or refuse the calls `caught` by the death of an instance, and replace it."""
        settings = self._supervisor.settings
        log.error("%s died: %s", instance, instance.failure)
        self._admission.metrics.deaths += 1
        self.leave_out(instance)
        if settings.restart_crashed and settings.retry_crashed:
            self._admission.try_again(caught, alone=instance.alone, how=instance.how)
        else:
            refuse_caught(instance, caught)
        if settings.restart_crashed:
            self._supervisor.spawn(self.replace(instance.settings))
        else:
            log.error("%s is not replaced (runtime.enable_crash_block)", instance)

    def leave_out(self, instance: Instance) -> None:
        """Send no more requests to an instance that is dying."""
        self._admission.instance_gone(instance)
        self._admission.expect(self._supervisor.settings.restart_crashed)

    def retired(self, instance: Instance, caught: list[Call]) -> None:
        """Have other instances answer the calls that a retired instance had no time to finish."""
        if not self._supervisor.settings.retry_crashed:
            for request in caught:
                request.refuse(NotReady("the instance with this request was replaced; try again"))
        elif instance.alone:
            self._admission.try_again(caught, alone=False, how=instance.how)
            self.run_suspects()
        else:
            for request in caught:
                self._admission.submit(request, monotonic())

    def run_suspects(self) -> None:
        """Start an instance for the requests to be retried alone, if no instance runs them."""
        supervisor = self._supervisor
        if self._admission.has_suspects and not any(each.alone for each in supervisor.serving()):
            supervisor.spawn(self.replace(supervisor.settings))

    async def replace(self, like: ServiceSettings) -> None:
        """Start an instance in place of one of the settings `like`, and retry until it is ready."""
        supervisor = self._supervisor
        while True:
            # An update may have removed the version of `like`. An instance of the present version
            # is started then, because calls may wait to be retried alone.
            upcoming = supervisor.upcoming
            is_upcoming = upcoming is not None and not like.needs_new_workers(upcoming)
            try:
                await supervisor.start_instance(like if is_upcoming else supervisor.settings)
            except SetupError as error:
                await self._pause_after(error)
            else:
                break
        self._admission.metrics.restarts += 1
        self._admission.expect(True)
        if supervisor.upcoming is None:
            supervisor.trim(at_once=False)

    async def _pause_after(self, failure: SetupError) -> None:
        pause = self._starts.pause_after(failure)
        if self._starts.hopeless:
            self._admission.expect(False, self._starts.reason)
        name = self._supervisor.settings.name
        log.error("%s: an instance could not start, next try in %.1f s: %s", name, pause, failure)
        await asyncio.sleep(pause)


def refuse_caught(instance: Instance, caught: list[Call]) -> None:
    """Refuse the calls that an instance held when it died."""
    for request in caught:
        request.refuse(NotReady(f"the worker with this request died ({instance.how}); try again"))
