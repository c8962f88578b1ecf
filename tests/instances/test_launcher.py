"""The handle on a launcher, with real launchers, and the test in the place of the supervisor."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from eas_processor.contracts.settings import ServiceSettings
from eas_processor.errors import KilledError, StartError
from eas_processor.instances.launcher import Launcher
from eas_processor.instances.links import FrameLink, open_link
from eas_processor.instances.out_of_memory import OutOfMemory
from eas_processor.instances.processes import Ending, Processes
from eas_processor.link.frames import CHANNELS, HELLO, Frame

pytestmark = pytest.mark.medium


class Bench:
    """One launcher, and the workers that the test has asked of it."""

    def __init__(self, settings: ServiceSettings) -> None:
        self.processes = Processes()
        self.settings = settings.worker
        self.ended: list[Launcher] = []
        self.launcher = Launcher(settings.worker, self.processes, self.ended.append)
        self.pids: list[int] = []
        self.exits: list[Ending] = []
        self.lost = 0

    async def start(self) -> None:
        await self.launcher.start()

    async def launch(self, launcher: Launcher) -> None:
        pairs = [socket.socketpair() for _ in CHANNELS]
        await open_link(pairs[0][0], FrameLink(self._control, self._lost))
        sockets = [theirs for _, theirs in pairs]
        await launcher.launch(1, self.settings, {}, sockets)
        for each in [*sockets, *(ours for ours, _ in pairs[1:])]:
            each.close()

    def _control(self, frames: list[Frame]) -> None:
        for kind, *_, payload in frames:
            if kind == HELLO:
                self.pids.append(json.loads(b"".join(payload))["pid"])
                self.processes.watch(self.pids[-1], self.exits.append)

    def _lost(self) -> None:
        self.lost += 1


@asynccontextmanager
async def bench(settings: ServiceSettings) -> AsyncIterator[Bench]:
    made = Bench(settings)
    try:
        yield made
    finally:
        await made.launcher.stop()
        await made.processes.stop()


async def test_it_forks_workers_whose_ends_are_known(
    real_service: Any, eventually_async: Any
) -> None:
    async with bench(real_service(model_config="die")) as made:
        await made.start()
        assert made.launcher.serves()
        await made.launch(made.launcher)
        await made.launch(made.launcher)
        await eventually_async(lambda: made.exits == [Ending(-signal.SIGABRT)] * 2)


async def test_what_it_has_forked_outlives_it(
    real_service: Any, gate_hooks: str, gate: Any, eventually_async: Any, alive: Any
) -> None:
    settings = real_service(hooks=gate_hooks, model_config=gate.command)
    async with bench(settings) as made:
        await made.start()
        await made.launch(made.launcher)
        await eventually_async(gate.reached)
        await made.launcher.stop()
        assert made.launcher.ended and made.ended == [made.launcher]
        assert not alive(made.launcher.pid)
        (pid,) = made.pids
        assert alive(pid) and made.exits == []
        os.kill(pid, signal.SIGKILL)
        await eventually_async(lambda: made.exits == [Ending(-signal.SIGKILL)])


async def test_a_worker_asked_of_a_launcher_that_is_killed_is_lost(
    real_service: Any, eventually_async: Any
) -> None:
    async with bench(real_service()) as made:
        await made.start()
        os.kill(made.launcher.pid, signal.SIGSTOP)
        await made.launch(made.launcher)
        os.kill(made.launcher.pid, signal.SIGKILL)
        await eventually_async(lambda: made.lost == 1)
        await made.launch(made.launcher)
        await eventually_async(lambda: made.lost == 2)
        assert made.pids == []


async def test_a_copy_does_what_the_first_does(
    real_service: Any, eventually_async: Any, alive: Any
) -> None:
    async with bench(real_service(model_config="die")) as made:
        await made.start()
        copy = await made.launcher.fork(made.ended.append)
        assert copy.serves() and copy.pid != made.launcher.pid
        await made.launcher.stop()
        await made.launch(copy)
        await eventually_async(lambda: made.exits == [Ending(-signal.SIGABRT)])
        os.kill(copy.pid, signal.SIGKILL)
        await eventually_async(lambda: made.ended == [made.launcher, copy])
        assert not copy.serves()
        await copy.stop()
        assert not alive(copy.pid)


async def test_no_copy_comes_of_a_launcher_that_is_dead(real_service: Any) -> None:
    async with bench(real_service()) as made:
        await made.start()
        os.kill(made.launcher.pid, signal.SIGSTOP)
        copy = asyncio.create_task(made.launcher.fork(made.ended.append))
        await asyncio.sleep(0.01)
        os.kill(made.launcher.pid, signal.SIGKILL)
        with pytest.raises(KilledError, match="ended before it was ready"):
            await copy
        with pytest.raises(KilledError):
            await made.launcher.fork(made.ended.append)


@pytest.mark.parametrize(
    ("memory", "kind", "how"),
    [(False, KilledError, "killed by SIGKILL"), (True, StartError, "kernel: out of memory")],
)
async def test_a_kill_while_it_imports_is_told_from_a_fault(
    real_service: Any,
    tmp_path: Path,
    eventually_async: Any,
    monkeypatch: pytest.MonkeyPatch,
    memory: bool,
    kind: type[StartError],
    how: str,
) -> None:
    monkeypatch.setattr(OutOfMemory, "killed", lambda *_: memory)
    (tmp_path / "__main__.py").write_text("import signal; signal.pause()")
    settings = real_service()
    object.__setattr__(settings.worker, "code", tmp_path)
    async with bench(settings) as made:
        start = asyncio.create_task(made.start())
        await eventually_async(lambda: made.launcher.pid)
        os.kill(made.launcher.pid, signal.SIGKILL)
        with pytest.raises(StartError, match=how) as failure:
            await start
        assert failure.type is kind


@pytest.mark.parametrize("left", [0, 1])
async def test_no_more_open_files(real_service: Any, no_more_files: Any, left: int) -> None:
    async with bench(real_service()) as made:
        with no_more_files(left), pytest.raises(StartError, match="Too many open files"):
            await made.start()
        made.launcher = Launcher(made.settings, made.processes)
        await made.start()
        with no_more_files(left), pytest.raises(StartError, match="Too many open files"):
            await made.launcher.fork(made.ended.append)
        assert made.launcher.serves()


async def test_hooks_that_cannot_be_imported(real_service: Any) -> None:
    async with bench(real_service(hooks="no_such_module")) as made:
        with pytest.raises(StartError, match="no_such_module cannot be imported"):
            await made.start()


async def test_hooks_that_start_a_thread_are_not_forked(
    real_service: Any, threaded_hooks: str
) -> None:
    async with bench(real_service(hooks=threaded_hooks)) as made:
        await made.start()
        assert not made.launcher.forks


@pytest.mark.parametrize(
    ("python", "words"),
    [
        ("/nonexistent/python", "/nonexistent/python cannot be started: No such file"),
        ("/etc/passwd", "/etc/passwd cannot be started: Permission denied"),
        ("/bin/false", r"ended at once \(exit status 1\): it printed nothing"),
    ],
)
async def test_an_interpreter_that_is_none(real_service: Any, python: str, words: str) -> None:
    async with bench(real_service(python=Path(python))) as made:
        with pytest.raises(StartError, match=words):
            await made.start()


async def test_an_import_that_fails_is_told_on_one_line(real_service: Any, tmp_path: Path) -> None:
    hooks = tmp_path / "broken.py"
    hooks.write_text("raise ImportError('numpy is broken\\n\\nIMPORTANT:\\n    read this')")
    async with bench(real_service(hooks=str(hooks))) as made:
        with pytest.raises(StartError, match=r"ImportError: numpy is broken IMPORTANT: read this$"):
            await made.start()


async def test_a_launcher_that_dies_at_once_has_last_words(
    real_service: Any, tmp_path: Path
) -> None:
    (tmp_path / "__main__.py").write_text("import sys; sys.exit('no numpy here')")
    settings = real_service()
    object.__setattr__(settings.worker, "code", tmp_path)
    async with bench(settings) as made:
        with pytest.raises(StartError, match=r"ended at once \(exit status 1\): no numpy here"):
            await made.start()


async def test_a_start_that_is_cancelled_leaves_no_process(
    real_service: Any, tmp_path: Path, eventually_async: Any, running: Any
) -> None:
    (tmp_path / "__main__.py").write_text("import signal; signal.pause()")
    settings = real_service()
    object.__setattr__(settings.worker, "code", tmp_path)
    for steps in range(6):
        async with bench(settings) as made:
            start = asyncio.create_task(made.start())
            for _ in range(steps):
                await asyncio.sleep(0)
            start.cancel()
            await asyncio.gather(start, return_exceptions=True)
        await eventually_async(lambda: not running(str(tmp_path)))
