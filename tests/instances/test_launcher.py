"""The handle on a launcher, with real launchers, and the test in the place of the supervisor."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from eas_processor.contracts.settings import ServiceSettings
from eas_processor.errors import StartError
from eas_processor.instances.launcher import Launcher, describe_status
from eas_processor.instances.links import listen


class Bench:
    """One launcher, what it has reported, and the sockets that its workers have opened."""

    def __init__(self, settings: ServiceSettings, socket: Path) -> None:
        self.exits: list[tuple[int, str]] = []
        self.pids: dict[int, int] = {}
        self.launcher = Launcher(1, settings.worker, lambda *exit_: self.exits.append(exit_))
        self._socket = socket

    async def start(self) -> None:
        await self.launcher.start(self._socket)

    def hello(self, facts: dict[str, Any], transport: asyncio.Transport) -> asyncio.Protocol:
        if facts["channel"] == "launcher":
            return self.launcher.introduced(facts, transport)
        self.pids[facts["instance"]] = facts["pid"]
        return asyncio.Protocol()


@asynccontextmanager
async def bench(settings: ServiceSettings) -> AsyncIterator[Bench]:
    with TemporaryDirectory(prefix="eas-") as directory:
        socket = Path(directory) / "link.sock"
        made = Bench(settings, socket)
        server = await listen(socket, made.hello)
        try:
            yield made
        finally:
            await made.launcher.stop()
            server.close()


async def test_it_forks_workers_and_reports_how_they_end(
    real_service: Any, eventually_async: Any
) -> None:
    async with bench(real_service(model_config="die")) as made:
        await made.start()
        assert made.launcher.alive and made.launcher.forks and not made.launcher.ended
        made.launcher.launch(1, made.launcher._settings, {})
        made.launcher.launch(2, made.launcher._settings, {})
        await eventually_async(lambda: len(made.exits) == 2)
        assert sorted(made.exits) == [(1, "killed by SIGABRT"), (2, "killed by SIGABRT")]


async def test_stop_ends_it_and_what_it_has_forked(
    real_service: Any, gate_hooks: str, gate: Any, eventually_async: Any, alive: Any
) -> None:
    settings = real_service(hooks=gate_hooks, model_config=gate.command)
    async with bench(settings) as made:
        await made.start()
        made.launcher.launch(1, made.launcher._settings, {})
        await eventually_async(gate.reached)
        await made.launcher.stop()
        assert made.launcher.ended and not made.launcher.alive
        assert made.exits == [(1, "killed by SIGKILL")]
        await eventually_async(lambda: not alive(made.pids[1]))


async def test_a_worker_asked_of_a_launcher_that_has_ended_has_ended_too(real_service: Any) -> None:
    async with bench(real_service()) as made:
        await made.start()
        await made.launcher.stop()
        made.launcher.launch(1, made.launcher._settings, {})
        assert made.exits == [(1, "its launcher has ended")]


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


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (0, "exit status 0"),
        (70, "exit status 70"),
        (-signal.SIGSEGV, "killed by SIGSEGV"),
        (-(signal.SIGRTMIN + 1), f"killed by signal {signal.SIGRTMIN + 1}"),
    ],
)
def test_how_a_process_ended_in_words(code: int, words: str) -> None:
    assert describe_status(code) == words
