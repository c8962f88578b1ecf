"""Keeps the instances of one service alive: start, warm-up, replacement of those that die, stop."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import logging
import os
import signal
import socket
from collections import deque
from collections.abc import Coroutine
from functools import partial
from time import monotonic
from typing import Any

from eas_processor.contracts.backend import State
from eas_processor.contracts.call import Call
from eas_processor.contracts.refusals import NotReady
from eas_processor.contracts.settings import ServiceSettings
from eas_processor.errors import KilledError, SetupError, StartError
from eas_processor.instances.asked import note_asked
from eas_processor.instances.instance import SERVING, Instance
from eas_processor.instances.machine import Machine
from eas_processor.instances.processes import Ending
from eas_processor.instances.starts import Starts
from eas_processor.instances.warm_up import warm_up
from eas_processor.instances.worker_sockets import open_sockets
from eas_processor.link.frames import FAILED, HELLO, PROFILED, READY, Frame
from eas_processor.serving.admission import Admission
from eas_processor.serving.background import end_tasks
from eas_processor.serving.budget import Budget
from eas_processor.serving.rollout import change

log = logging.getLogger("eas_processor.engine")

_STOP_S = 2.0
# The kernel says within milliseconds that a worker has ended; this is for one that lives on.
_EXIT_REPORT_S = 1.0
_DEAD_KEPT = 8
"""Instances of which `eascmd w` shows how they ended."""
_LOST = "its launcher was killed before it had begun"


class Supervisor:
    """The instances of one service, on a machine that it shares with others."""

    def __init__(
        self,
        settings: ServiceSettings,
        admission: Admission,
        machine: Machine,
        start_timeout: float,
        budget: Budget,
    ) -> None:
        self._settings = settings
        self._admission = admission
        self._machine = machine
        self._start_timeout = start_timeout
        self._budget = budget
        self._numbers = itertools.count(1)
        self._starts = Starts()
        self._instances: dict[int, Instance] = {}
        self.dead: deque[dict[str, Any]] = deque(maxlen=_DEAD_KEPT)
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
        self._spawn(self._watch_signs_of_life())
        starts = [
            self._spawn(self.start_instance(self._settings))
            for _ in range(self._settings.instances)
        ]
        await asyncio.gather(*starts)

    async def stop(self) -> None:
        """End every worker, and wait until all are gone."""
        self._stopping = True
        await end_tasks(self._tasks)
        for end in (Instance.stop, self._kill):
            for instance in list(self._instances.values()):
                end(instance)
            await self._wait_for_ends()

    async def _wait_for_ends(self) -> None:
        if self._instances:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._none_left.wait(), _STOP_S)

    async def start_instance(self, settings: ServiceSettings) -> None:
        """
        Start an instance and wait until it is ready. Raises StartError or WarmUpError.

        A start that somebody has killed is tried again.
        """
        while True:
            try:
                await self._start_once(settings)
            except KilledError as error:
                pause = self._starts.pause_after(error)
                log.warning("%s: %s; started again in %.2g s", settings.name, error, pause)
                await asyncio.sleep(pause)
            else:
                self._starts.succeeded()
                return

    async def _start_once(self, settings: ServiceSettings) -> None:
        if self._stopping:
            raise StartError("the service is ending")
        instance = Instance(
            next(self._numbers),
            settings,
            self._admission.refill,
            self._died,
            self._admission.metrics,
        )
        limit = max(self._start_timeout, settings.worker.start_timeout)
        try:
            async with self._machine.loads.slot():
                await asyncio.wait_for(self._bring_up(instance), limit)
            # Checked here: it may have died while this task was being woken.
            if instance.failure:
                kind = KilledError if instance.killed else StartError
                raise kind(instance.failure)
        except TimeoutError:
            self._end_start(instance)
            raise StartError(
                f"the model was not loaded and warmed up within {limit:.0f} s"
            ) from None
        except BaseException:
            instance.stop()
            raise
        instance.has_warmed()
        self._machine.serving.add(instance)
        self._admission.instance_ready(instance)

    async def _bring_up(self, instance: Instance) -> None:
        worker = instance.settings.worker
        machine = self._machine
        launcher = await machine.launchers.get(worker)
        # From here on its death gives back what it has taken.
        self._instances[instance.number] = instance
        self._none_left.clear()
        environment = machine.gpus.take(instance, worker)
        sockets: list[socket.socket] = []
        try:
            on_control = partial(self._control, instance)
            await open_sockets(sockets, instance, self._budget, on_control, self._link_lost)
            await launcher.launch(
                instance.number,
                worker,
                environment,
                sockets,
                low_priority=bool(self._machine.serving),
            )
        except BaseException:
            # Whatever was launched all the same ends with its sockets.
            instance.hang_up()
            instance.exited(_LOST, from_outside=True)
            if not launcher.forks:
                # Nobody else asks it for a worker.
                launcher.kill()
            raise
        finally:
            for each in sockets:
                each.close()
        await instance.loaded()
        await warm_up(instance)

    def _end_start(self, instance: Instance) -> None:
        instance.stop()
        self._kill(instance)

    def _control(self, instance: Instance, frames: list[Frame]) -> None:
        for kind, _, code, number, _, payload in frames:
            instance.liveness.beat()
            if kind == HELLO:
                self._introduce(instance, json.loads(b"".join(payload))["pid"])
            elif kind == READY:
                instance.has_loaded(b"".join(payload))
                note_asked(instance.settings, instance.info.get("asked", {}))
            elif kind == FAILED:
                instance.has_failed(b"".join(payload).decode())
            elif kind == PROFILED:
                instance.profiler.answered(number, code, b"".join(payload))

    def _introduce(self, instance: Instance, pid: int) -> None:
        instance.introduce(pid)
        self._machine.processes.watch(pid, partial(self._exited, instance))

    def _link_lost(self, instance: Instance, channel: str) -> None:
        """Keep requests from a worker that is dying; the kernel says in a moment how it ended."""
        instance.link_lost(channel)
        if channel == "control" and not instance.pid:
            instance.exited(_LOST, from_outside=True)
        elif instance.state is not State.DEAD and not self._stopping:
            instance.take_no_more()
            if instance.state in SERVING:
                self._leave_out(instance)
            asyncio.get_running_loop().call_later(_EXIT_REPORT_S, self._end_mute, instance)

    def _end_mute(self, instance: Instance) -> None:
        """End a worker that lives on without its sockets: nobody has killed that from outside."""
        # Each of its sockets brings this here once.
        if instance.state is not State.DEAD and not instance.gone and not instance.how:
            self._end(instance, "it has closed its sockets")

    def _exited(self, instance: Instance, ending: Ending) -> None:
        """Note how a worker has ended."""
        # What it has forked and left: it is the leader of a group of its own.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(instance.pid, signal.SIGKILL)
        instance.exited(str(ending), from_outside=ending.from_outside)

    def _kill(self, instance: Instance) -> None:
        if instance.state is State.DEAD:
            return
        if not instance.pid:
            instance.hang_up()
        elif not instance.gone:
            with contextlib.suppress(ProcessLookupError):
                os.kill(instance.pid, signal.SIGKILL)

    def _died(self, instance: Instance, was: State, caught: list[Call]) -> None:
        """Replace an instance that served; one that never did is its starter's to deal with."""
        del self._instances[instance.number]
        self._machine.serving.discard(instance)
        self._machine.gpus.give_back(instance)
        self._machine.launchers.release(instance.settings.worker)
        if not self._instances:
            self._none_left.set()
        if was is State.STOPPING and not self._stopping:
            # What no client sent is a warm-up, which is over.
            self._go_on(instance, [each for each in caught if each.submitted])
            return
        served = was in SERVING and not self._stopping
        if not self._stopping:
            self.dead.append(instance.how_it_ended())
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
            log.error("%s is left dead (runtime.enable_crash_block)", instance)

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
        while True:
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
            pause = self._starts.pause_after(failure)
            if self._starts.hopeless:
                self._admission.expect(False, self._starts.reason)
            log.error(
                "%s: an instance could not be started, next try in %.1f s: %s",
                self._settings.name,
                pause,
                failure,
            )
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
