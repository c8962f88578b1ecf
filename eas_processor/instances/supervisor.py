"""Keeps the instances of one service alive: start, warm-up, replacement of those that die, stop."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import os
import signal
from collections.abc import Coroutine
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any

from eas_processor.contracts.backend import State
from eas_processor.contracts.call import Call
from eas_processor.contracts.refusals import NotReady
from eas_processor.contracts.settings import ServiceSettings
from eas_processor.errors import SetupError, StartError
from eas_processor.instances.directory import SOCKET
from eas_processor.instances.gpus import Gpus
from eas_processor.instances.instance import SERVING, Instance
from eas_processor.instances.launcher_pool import LauncherPool
from eas_processor.instances.links import BulkLink, FrameLink, listen
from eas_processor.instances.warm_up import warm_up
from eas_processor.instances.worker_output import WorkerOutput
from eas_processor.link.frames import FAILED, READY, Frame
from eas_processor.serving.admission import Admission
from eas_processor.serving.background import end_tasks
from eas_processor.serving.budget import Budget
from eas_processor.serving.rollout import change

log = logging.getLogger("eas_processor.engine")

_BACK_OFF_S = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0)
_PATIENCE = 3
"""Starts that may fail in a row before nobody is told to wait for an instance any more."""
_STOP_S = 2.0
# The launcher says within milliseconds that a worker has ended; this is for when it does not.
_EXIT_REPORT_S = 1.0


class Supervisor:
    """The instances of one service; the sockets to their workers are in `directory`."""

    def __init__(
        self,
        settings: ServiceSettings,
        admission: Admission,
        directory: Path,
        start_timeout: float,
        budget: Budget,
    ) -> None:
        self._settings = settings
        self._admission = admission
        self._socket = directory / SOCKET
        self._start_timeout = start_timeout
        self._budget = budget
        self._server: asyncio.Server | None = None
        self._numbers = itertools.count(1)
        self._gpus = Gpus()
        self.launchers = LauncherPool(self._socket, self._exited)
        self._instances: dict[int, Instance] = {}
        self._none_left = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = False
        self._next: ServiceSettings | None = None
        """The version that an update is bringing up."""

    @property
    def info(self) -> dict[str, Any]:
        """What the newest ready instance says of its model."""
        ready = [each for each in self._instances.values() if each.state is State.READY]
        return ready[-1].info if ready else {}

    @property
    def instances(self) -> list[Instance]:
        """Every instance that is not dead, oldest first."""
        return list(self._instances.values())

    def serving(self) -> list[Instance]:
        """Return the instances that take requests, oldest first."""
        return [each for each in self.instances if each.state in (State.READY, State.ISOLATED)]

    def begin_update(self, settings: ServiceSettings) -> None:
        """Keep instances of `settings` alive too, beside those of the version that serves."""
        self._next = settings

    def end_update(self, settings: ServiceSettings) -> None:
        """Keep instances of `settings` alive, and no others, from now on."""
        self._settings, self._next = settings, None

    def bring_back(self, settings: ServiceSettings) -> None:
        """Start an instance that is missing, and try again until it is ready."""
        self._spawn(self._replace(settings))

    async def change(self, before: ServiceSettings, after: ServiceSettings) -> bool:
        """Serve `after` in the place of `before`; whether instances were replaced for it."""
        return await change(self, before, after)

    async def scale(self, settings: ServiceSettings) -> None:
        """Take settings that need no new workers: more or fewer instances. Raises SetupError."""
        before, self._settings = self._settings, settings
        missing = settings.instances - before.instances
        starts = [self._spawn(self.start_instance(settings)) for _ in range(missing)]
        outcomes = await asyncio.gather(*starts, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                self._settings = before
                self.trim()
                raise outcome
        await asyncio.gather(*self.trim())

    def trim(self, *, at_once: bool = True) -> list[asyncio.Task[None]]:
        """
        Retire what is not of the version that serves, and what is more than its instances.

        Not `at_once`, others serve on in the places of those that are missing.
        """
        settings, serving = self._settings, self.serving()
        old = [each for each in serving if each.settings.needs_new_workers(settings)]
        wanted = [each for each in serving if each not in old]
        surplus = max(0, len(serving) - settings.instances)
        if at_once:
            surplus = max(surplus, len(old))
        return [self.retire(each) for each in [*old, *wanted][:surplus]]

    def retire(self, instance: Instance) -> asyncio.Task[None]:
        """
        Let an instance finish what it has, within the grace period, and end it.

        One that tries suspects finishes those too: nobody else might.
        """
        assert instance in self.serving(), instance.state
        self._admission.instance_gone(instance)
        instance.drain()
        return self._spawn(self._retire(instance))

    async def _retire(self, instance: Instance) -> None:
        end = monotonic() + self._settings.grace
        while instance.state is State.DRAINING and instance.held and monotonic() < end:
            await asyncio.sleep(0.01)
        instance.stop()
        self._see_to_suspects()
        end = monotonic() + _STOP_S
        while instance.state is not State.DEAD:
            if monotonic() > end:
                self._kill(instance)
            await asyncio.sleep(0.01)
        log.info("%s has ended", instance)

    async def start(self) -> None:
        """Start every instance and wait until all are ready. Raises StartError or WarmUpError."""
        try:
            self._server = await listen(self._socket, self._hello)
        except OSError as error:
            # The usual one is a TMPDIR whose path is longer than the 107 bytes that a socket's has.
            raise StartError(
                f"the workers' socket {self._socket} cannot be made: {error}"
            ) from error
        self._spawn(self._watch_signs_of_life())
        starts = [
            self._spawn(self.start_instance(self._settings))
            for _ in range(self._settings.instances)
        ]
        await asyncio.gather(*starts)

    async def stop(self) -> None:
        """End every worker and launcher, and wait until they are gone."""
        self._stopping = True
        await end_tasks(self._tasks)
        for end in (Instance.stop, self._kill):
            for instance in list(self._instances.values()):
                end(instance)
            await self._wait_for_ends()
        await self.launchers.stop()
        if self._server is not None:
            self._server.close()

    async def _wait_for_ends(self) -> None:
        if self._instances:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._none_left.wait(), _STOP_S)

    async def start_instance(self, settings: ServiceSettings) -> None:
        """Start an instance and wait until it is ready. Raises StartError or WarmUpError."""
        number = next(self._numbers)
        instance = Instance(
            number,
            settings,
            self._admission.refill,
            self._died,
            self._admission.metrics,
        )
        limit = max(self._start_timeout, settings.worker.start_timeout)
        try:
            await asyncio.wait_for(self._bring_up(instance), limit)
            # Checked here: it may have died while this task was being woken.
            if instance.failure:
                raise StartError(instance.failure)
        except TimeoutError:
            # A worker that has not introduced itself yet has no pid: it is ended when it does.
            instance.stop()
            self._kill(instance)
            raise StartError(
                f"the model was not loaded and warmed up within {limit:.0f} s"
            ) from None
        except SetupError:
            instance.stop()
            raise
        instance.has_warmed()
        self._admission.instance_ready(instance)

    async def _bring_up(self, instance: Instance) -> None:
        launcher = await self.launchers.get(instance.settings.worker)
        self._instances[instance.number] = instance
        self._none_left.clear()
        worker = instance.settings.worker
        launcher.launch(instance.number, worker, self._gpus.take(instance.number, worker))
        await instance.loaded()
        await warm_up(instance)

    def _hello(
        self, facts: dict[str, Any], transport: asyncio.Transport
    ) -> asyncio.Protocol | None:
        """Give a new connection to the launcher or instance it belongs to, if that still lives."""
        channel = facts["channel"]
        if channel == "launcher":
            return self.launchers.introduced(facts, transport)
        instance = self._instances.get(facts["instance"])
        if instance is None:
            return None
        if channel == "log":
            return WorkerOutput(instance, partial(setattr, instance, "last_words"))
        instance.attach(channel, transport, facts["pid"])
        if channel == "control":
            return FrameLink(
                partial(self._control, instance), partial(self._link_lost, instance, channel)
            )
        on_frames = partial(instance.replies, channel=channel)
        on_lost = partial(self._link_lost, instance, channel)
        if channel == "bulk":
            return BulkLink(on_frames, on_lost, self._budget, instance.body_of)
        return FrameLink(on_frames, on_lost)

    def _control(self, instance: Instance, frames: list[Frame]) -> None:
        for kind, _, _, _, _, payload in frames:
            instance.liveness.beat()
            if kind == READY:
                instance.has_loaded(b"".join(payload))
            elif kind == FAILED:
                instance.has_failed(b"".join(payload).decode())

    def _link_lost(self, instance: Instance, channel: str) -> None:
        """Keep requests from a worker that is dying; its launcher says in a moment how it ended."""
        instance.link_lost(channel)
        if instance.state is not State.DEAD and not self._stopping:
            instance.take_no_more()
            if instance.state in SERVING:
                self._leave_out(instance)
            asyncio.get_running_loop().call_later(_EXIT_REPORT_S, self._kill, instance)

    def _exited(self, number: int, how: str) -> None:
        if instance := self._instances.get(number):
            instance.exited(how)

    def _kill(self, instance: Instance) -> None:
        if instance.state is not State.DEAD and instance.pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(instance.pid, signal.SIGKILL)

    def _died(self, instance: Instance, was: State, caught: list[Call]) -> None:
        """Replace an instance that served; one that never did is its starter's to deal with."""
        del self._instances[instance.number]
        self._gpus.give_back(instance.number)
        if not self._instances:
            self._none_left.set()
        if was is State.STOPPING and not self._stopping:
            # What no client sent is a warm-up, which is over.
            self._go_on(instance, [each for each in caught if each.submitted])
            return
        served = was in SERVING and not self._stopping
        settings = self._settings
        if served:
            log.error("%s died: %s", instance, instance.failure)
            self._admission.metrics.deaths += 1
            self._leave_out(instance)
        if served and settings.restart_crashed and settings.retry_crashed:
            self._admission.try_again(caught, alone=instance.alone, how=instance.how)
        else:
            for request in caught:
                request.refuse(
                    NotReady(f"the worker with this request died ({instance.how}); try again")
                )
        if served and settings.restart_crashed:
            self._spawn(self._replace(instance.settings))
        elif served:
            log.error("it is left dead (runtime.enable_crash_block)")

    def _go_on(self, instance: Instance, caught: list[Call]) -> None:
        """Have what an instance held when its time to finish was over answered elsewhere."""
        if not self._settings.retry_crashed:
            for request in caught:
                request.refuse(NotReady("the instance with this request was replaced; try again"))
        elif instance.alone:
            self._admission.try_again(caught, alone=False, how=instance.how)
            self._see_to_suspects()
        else:
            for request in caught:
                self._admission.submit(request, monotonic())

    def _see_to_suspects(self) -> None:
        """Start an instance for the requests that are to be tried alone, if none tries them."""
        if self._admission.has_suspects and not any(each.alone for each in self.serving()):
            self.bring_back(self._settings)

    def _leave_out(self, instance: Instance) -> None:
        self._admission.instance_gone(instance)
        self._admission.expect(self._settings.restart_crashed)

    async def _replace(self, like: ServiceSettings) -> None:
        """Start an instance, at once at first, then with growing pauses until it succeeds."""
        pauses = itertools.chain(_BACK_OFF_S, itertools.repeat(_BACK_OFF_S[-1]))
        for failures in itertools.count(1):
            # One of a version that an update has taken away is not needed again, unless requests
            # that it held are to be tried alone.
            coming = self._next is not None and not like.needs_new_workers(self._next)
            settings = like if coming else self._settings
            if not (failure := await self._try_start(settings)):
                self._admission.metrics.restarts += 1
                self._admission.expect(True)
                if self._next is None:
                    self.trim(at_once=False)
                return
            pause = next(pauses)
            if failures >= _PATIENCE:
                self._admission.expect(False)
            log.error("an instance could not be started, next try in %.1f s: %s", pause, failure)
            await asyncio.sleep(pause)

    async def _try_start(self, settings: ServiceSettings) -> SetupError | None:
        try:
            await self.start_instance(settings)
        except SetupError as error:
            return error
        return None

    async def _watch_signs_of_life(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            limit = self._settings.max_run
            for instance in list(self._instances.values()):
                instance.liveness.tick(instance.held)
                if instance.state in SERVING and instance.liveness.silent:
                    self._end(instance, "it gave no sign of life")
                elif limit and instance.liveness.longest_run >= limit:
                    self._end(instance, f"a run took more than {limit:g} s (model_config.max_run)")

    def _end(self, instance: Instance, why: str) -> None:
        log.error("%s is killed: %s", instance, why)
        instance.blame(f"killed: {why}")
        self._kill(instance)

    def _spawn(self, job: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(job)
        self._tasks.add(task)
        task.add_done_callback(self._task_done)
        return task

    def _task_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, SetupError):
            log.error("a task of the supervisor failed", exc_info=error)
