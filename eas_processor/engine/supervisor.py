"""Keeps the instances of one service alive: starts them, warms them up, replaces those that die, stops them."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import os
import signal
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from eas_processor.engine.admission import Admission
from eas_processor.engine.instance import Instance, State
from eas_processor.engine.launcher import Launcher
from eas_processor.engine.links import FrameLink, LineLink, listen
from eas_processor.engine.request import Request
from eas_processor.engine.settings import ServiceSettings
from eas_processor.errors import SetupError, StartError, WarmUpError
from eas_processor.link.frames import FAILED, READY, Frame

log = logging.getLogger("eas_processor.engine")
worker_log = logging.getLogger("eas_processor.worker")

_WARM_UP_TIMES = 5
_BACK_OFF_S = (0.5, 1.0, 2.0, 5.0, 10.0)
_STOP_S = 2.0
# EXITED comes through the launcher within milliseconds of a death; this is for the case that it does not come at all.
_EXIT_REPORT_S = 1.0
_LEVELS = {
    name: getattr(logging, name) for name in ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
}


class _WarmUpRequest(Request):
    """A request that is pinned to one instance, free of deadline, queue and rate."""

    __slots__ = ("answered",)

    def __init__(self, body: bytes) -> None:
        super().__init__()
        self.body = [body]
        self.size = len(body)
        self.answered: asyncio.Future[tuple[int, bytes]] = (
            asyncio.get_running_loop().create_future()
        )

    def answer(self, status: int, payload: list[bytes]) -> None:
        if not self.answered.done():
            self.answered.set_result((status, b"".join(payload)))


class Supervisor:
    """The instances of one service; the sockets to their workers are in `directory`."""

    def __init__(
        self, settings: ServiceSettings, admission: Admission, directory: Path, start_timeout: float
    ) -> None:
        self._settings = settings
        self._admission = admission
        self._socket = directory / "link.sock"
        self._start_timeout = start_timeout
        self._server: asyncio.Server | None = None
        self._numbers = itertools.count(1)
        self._launchers: dict[int, Launcher] = {}
        self._launching = asyncio.Lock()
        self._instances: dict[int, Instance] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = False

    @property
    def info(self) -> dict[str, Any]:
        """What the newest ready instance says of its model."""
        ready = [each for each in self._instances.values() if each.state is State.READY]
        return ready[-1].info if ready else {}

    async def start(self) -> None:
        """Start every instance and wait until all are ready. Raises StartError or WarmUpError."""
        self._server = await listen(self._socket, self._hello)
        self._spawn(self._watch_heartbeats())
        await asyncio.gather(*(self._start_instance() for _ in range(self._settings.instances)))

    async def stop(self) -> None:
        """End every worker and launcher, and wait until they are gone."""
        self._stopping = True
        for task in list(self._tasks):
            task.cancel()
        for instance in self._instances.values():
            instance.stop()
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._all_ended(), _STOP_S)
        for launcher in list(self._launchers.values()):
            await launcher.stop()
        if self._server is not None:
            self._server.close()

    async def _all_ended(self) -> None:
        while self._instances:
            await asyncio.sleep(0.005)

    async def _start_instance(self) -> None:
        launcher = await self._launcher()
        instance = Instance(next(self._numbers), self._settings, self._admission.refill, self._died)
        self._instances[instance.number] = instance
        launcher.launch(instance.number)
        try:
            await asyncio.wait_for(self._prepare(instance), self._start_timeout)
        except asyncio.TimeoutError:
            self._kill(instance)
            limit = f"{self._start_timeout:.0f} s"
            raise StartError(f"the model was not loaded and warmed up within {limit}") from None
        except SetupError:
            instance.stop()
            raise
        instance.has_warmed()
        self._admission.instance_ready(instance)
        log.info("instance %d is ready (pid %d)", instance.number, instance.pid)

    async def _launcher(self) -> Launcher:
        async with self._launching:
            for launcher in self._launchers.values():
                if launcher.alive and launcher.forks:
                    return launcher
            number = next(self._numbers)
            launcher = self._launchers[number] = Launcher(
                number, self._settings.worker, self._exited
            )
            await launcher.start(self._socket, worker_log.info)
            return launcher

    async def _prepare(self, instance: Instance) -> None:
        """Wait for the model to load, then replay the warm-up requests."""
        await instance.loaded()
        for number, body in enumerate(self._settings.warm_up, 1):
            for _ in range(_WARM_UP_TIMES):
                if instance.failure:
                    break
                request = _WarmUpRequest(body)
                instance.send(request)
                status, payload = await request.answered
                if status != 200 and not instance.failure:
                    reason = payload.decode(errors="replace")
                    raise WarmUpError(
                        f"warm_up_data_path: request {number} of the file was refused with {status}: {reason}"
                    )
        if instance.failure:
            raise StartError(instance.failure)

    def _hello(self, facts: dict[str, Any], transport: asyncio.Transport) -> asyncio.Protocol:
        """Give a new connection to the launcher or instance that it belongs to."""
        channel = facts["channel"]
        if channel == "launcher":
            return self._launchers[facts["launcher"]].introduced(facts, transport)
        instance = self._instances[facts["instance"]]
        if channel == "log":
            return LineLink(lambda line: _relay(instance, line))
        instance.attach(channel, transport, facts["pid"])
        if channel == "control":
            return FrameLink(
                lambda frames: self._control(instance, frames), lambda: self._control_lost(instance)
            )
        return FrameLink(instance.replies)

    def _control(self, instance: Instance, frames: list[Frame]) -> None:
        for kind, _, _, _, payload in frames:
            instance.beat()
            if kind == READY:
                instance.has_loaded(b"".join(payload))
            elif kind == FAILED:
                instance.has_failed(b"".join(payload).decode())

    def _control_lost(self, instance: Instance) -> None:
        if instance.state is not State.DEAD:
            asyncio.get_running_loop().call_later(_EXIT_REPORT_S, self._kill, instance)

    def _exited(self, number: int, how: str) -> None:
        if instance := self._instances.get(number):
            instance.died(how)

    def _kill(self, instance: Instance) -> None:
        if instance.state is not State.DEAD and instance.pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(instance.pid, signal.SIGKILL)

    def _died(self, instance: Instance, was: State) -> None:
        """Replace an instance that died while it served; one that died before is its starter's to deal with."""
        del self._instances[instance.number]
        if was is not State.READY or self._stopping:
            return
        log.error("instance %d died: %s", instance.number, instance.failure)
        self._admission.expecting = self._settings.restart_crashed
        self._admission.instance_gone(instance)
        if self._settings.restart_crashed:
            self._spawn(self._replace())
        else:
            log.error("it is left dead (runtime.enable_crash_block)")

    async def _replace(self) -> None:
        """Start an instance, at once the first time, then with a growing pause until it succeeds."""
        for pause in itertools.chain(_BACK_OFF_S, itertools.repeat(_BACK_OFF_S[-1])):
            try:
                await self._start_instance()
            except SetupError as error:
                self._admission.expecting = False
                self._admission.refuse_waiting()
                log.error("an instance could not be started, next try in %.1f s: %s", pause, error)
                await asyncio.sleep(pause)
            else:
                return

    async def _watch_heartbeats(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            for instance in list(self._instances.values()):
                if instance.silent():
                    log.error("instance %d gives no sign of life and is killed", instance.number)
                    self._kill(instance)

    def _spawn(self, job: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(job)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _relay(instance: Instance, line: str) -> None:
    """Pass on a line that a worker printed, under the level that it names itself."""
    instance.last_words = line or instance.last_words
    level, _, text = line.partition(" ")
    if level in _LEVELS:
        worker_log.log(_LEVELS[level], "instance %d: %s", instance.number, text)
    else:
        worker_log.info("instance %d: %s", instance.number, line)
