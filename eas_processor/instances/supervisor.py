"""Supervises the instances of one service: start, warm-up, updates, deaths, stop."""

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
from eas_processor.contracts.settings import ServiceSettings
from eas_processor.errors import KilledError, SetupError, StartError
from eas_processor.instances.asked import note_asked
from eas_processor.instances.instance import SERVING, Instance
from eas_processor.instances.machine import Machine
from eas_processor.instances.processes import Ending
from eas_processor.instances.recovery import Recovery, refuse_caught
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
_EXIT_REPORT_S = 1.0
"""
When a worker that has closed its sockets is killed.

The kernel reports the end of a process within milliseconds, so this one is still running.
"""
_DEAD_KEPT = 8
"""How many deaths `eascmd w` shows."""
_LOST = "its launcher was killed before the worker started"


class Supervisor:
    """Keeps the instances of one service alive, on a machine that it shares with others."""

    def __init__(
        self,
        settings: ServiceSettings,
        admission: Admission,
        machine: Machine,
        start_timeout: float,
        budget: Budget,
    ) -> None:
        self.settings = settings
        self._admission = admission
        self._machine = machine
        self._start_timeout = start_timeout
        self._budget = budget
        self._numbers = itertools.count(1)
        self._starts = Starts()
        self._recovery = Recovery(self, admission, self._starts)
        self._instances: dict[int, Instance] = {}
        self.dead: deque[dict[str, Any]] = deque(maxlen=_DEAD_KEPT)
        self._none_left = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = False
        self.upcoming: ServiceSettings | None = None
        """The settings of the version that an update is starting; None without an update."""

    @property
    def info(self) -> dict[str, Any]:
        """The description of the model, as the newest ready instance gives it."""
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
        """Keep instances of `settings` alive, in addition to those of the version that serves."""
        self.upcoming = settings

    def end_update(self, settings: ServiceSettings) -> None:
        """Keep only instances of `settings` alive from now on."""
        self.settings, self.upcoming = settings, None

    def bring_back(self, settings: ServiceSettings) -> None:
        """Start a missing instance, and retry until it is ready."""
        self.spawn(self._recovery.replace(settings))

    async def change(self, before: ServiceSettings, after: ServiceSettings) -> bool:
        """Replace the settings `before` by `after`; return whether instances were replaced."""
        return await change(self, before, after)

    async def scale(self, settings: ServiceSettings) -> None:
        """Apply settings that need no new workers, such as `instances`. Raises SetupError."""
        before, self.settings = self.settings, settings
        missing = settings.instances - before.instances
        starts = [self.spawn(self.start_instance(settings)) for _ in range(missing)]
        outcomes = await asyncio.gather(*starts, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                self.settings = before
                self.trim()
                raise outcome
        await asyncio.gather(*self.trim())

    def trim(self, *, at_once: bool = True) -> list[asyncio.Task[None]]:
        """
        Retire the instances of other versions, and those above the configured number.

        Unless `at_once`, those of other versions serve on in place of missing instances.
        """
        settings, serving = self.settings, self.serving()
        old = [each for each in serving if each.settings.needs_new_workers(settings)]
        wanted = [each for each in serving if each not in old]
        surplus = max(0, len(serving) - settings.instances)
        if at_once:
            surplus = max(surplus, len(old))
        return [self.retire(each) for each in [*old, *wanted][:surplus]]

    def retire(self, instance: Instance) -> asyncio.Task[None]:
        """
        Let an instance finish the calls that it holds, within the grace period, and end it.

        An isolated instance also finishes the suspects, because no other might run them.
        """
        assert instance in self.serving(), instance.state
        self._admission.instance_gone(instance)
        instance.drain()
        return self.spawn(self._retire(instance))

    async def _retire(self, instance: Instance) -> None:
        end = monotonic() + self.settings.grace
        while instance.state is State.DRAINING and instance.held and monotonic() < end:
            await asyncio.sleep(0.01)
        instance.stop()
        self._recovery.run_suspects()
        end = monotonic() + _STOP_S
        while instance.state is not State.DEAD:
            if monotonic() > end:
                self._kill(instance)
            await asyncio.sleep(0.01)
        log.info("%s has ended", instance)

    async def start(self) -> None:
        """Start every instance and wait until all are ready. Raises StartError or WarmUpError."""
        self.spawn(self._watch_signs_of_life())
        starts = [
            self.spawn(self.start_instance(self.settings)) for _ in range(self.settings.instances)
        ]
        await asyncio.gather(*starts)

    async def stop(self) -> None:
        """End every worker and wait until all have ended."""
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

        A start that was killed from outside is retried.
        """
        while True:
            try:
                await self._start_once(settings)
            except KilledError as error:
                pause = self._starts.pause_after(error)
                log.warning("%s: %s; next try in %.2g s", settings.name, error, pause)
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
            # The worker may have died after the start was over and before this task ran on.
            if instance.failure:
                kind = KilledError if instance.killed else StartError
                raise kind(instance.failure)
        except TimeoutError:
            self._end_start(instance)
            raise StartError(f"the model did not load and warm up within {limit:.0f} s") from None
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
        # From here on, `_died` releases the launcher and the GPUs.
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
            # A worker that was launched nevertheless ends when its sockets close.
            instance.hang_up()
            instance.exited(_LOST, from_outside=True)
            if not launcher.forks:
                # No other instance can use a launcher that cannot fork.
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
        """Send no more requests to a worker that is dying. The kernel soon reports how it ended."""
        instance.link_lost(channel)
        if channel == "control" and not instance.pid:
            instance.exited(_LOST, from_outside=True)
        elif instance.state is not State.DEAD and not self._stopping:
            instance.take_no_more()
            if instance.state in SERVING:
                self._recovery.leave_out(instance)
            asyncio.get_running_loop().call_later(_EXIT_REPORT_S, self._end_mute, instance)

    def _end_mute(self, instance: Instance) -> None:
        """Kill a worker that runs on without its sockets, and record that as its end."""
        # Each closed socket schedules one call of this method.
        if instance.state is not State.DEAD and not instance.gone and not instance.how:
            self._end(instance, "it closed its sockets")

    def _exited(self, instance: Instance, ending: Ending) -> None:
        """Note how a worker ended, and kill the processes that it left behind."""
        # A worker leads a process group of its own.
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
        """Release what a dead instance used, and recover from its death."""
        del self._instances[instance.number]
        self._machine.serving.discard(instance)
        self._machine.gpus.give_back(instance)
        self._machine.launchers.release(instance.settings.worker)
        if not self._instances:
            self._none_left.set()
        if self._stopping:
            refuse_caught(instance, caught)
        elif was is State.STOPPING:
            # A call that no client sent is part of a warm-up, which has ended.
            self._recovery.retired(instance, [each for each in caught if each.submitted])
        else:
            self.dead.append(instance.how_it_ended())
            if was in SERVING:
                self._recovery.died(instance, caught)
            else:
                # `start_instance` reports the failure, and its caller starts another.
                refuse_caught(instance, caught)

    async def _watch_signs_of_life(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            limit = self.settings.max_run
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

    def spawn(self, job: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(job)
        self._tasks.add(task)
        task.add_done_callback(self._task_done)
        return task

    def _task_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, SetupError):
            log.error("a task of the supervisor failed", exc_info=error)
