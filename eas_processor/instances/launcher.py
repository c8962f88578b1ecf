"""The engine's handle on one launcher process."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from eas_processor.contracts.settings import WorkerSettings
from eas_processor.errors import StartError
from eas_processor.instances.environment import worker_environment
from eas_processor.instances.links import FrameLink
from eas_processor.instances.worker_output import WorkerOutput
from eas_processor.link.frames import EXITED, LAUNCH, Frame, pack
from eas_processor.link.spec import WorkerSpec

_LAST_WORDS_S = 1.0
"""How long the end of a process may be known before its last output has been read."""


class Launcher:
    """
    One launcher process: it imports the build once and forks a worker for each `launch`.

    Where the build cannot be forked from, the process itself becomes the one worker that is asked
    for, and `forks` is False. `on_exit` is called with the instance's number and how its worker
    ended.
    """

    def __init__(
        self, number: int, settings: WorkerSettings, on_exit: Callable[[int, str], None]
    ) -> None:
        self._number = number
        self._settings = settings
        self._on_exit = on_exit
        self._process: asyncio.subprocess.Process | None = None
        self._link: asyncio.Transport | None = None
        self._introduced: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._watch: asyncio.Task[None] | None = None
        self._instances: set[int] = set()
        self._output = WorkerOutput(f"launcher of {settings.build}", self._printed)
        self._last_words = ""
        self._failure = ""
        self.forks = True

    @property
    def alive(self) -> bool:
        """Whether the process can be asked for another worker."""
        return self._link is not None and not self._link.is_closing()

    @property
    def ended(self) -> bool:
        """Whether the process is gone."""
        return self._watch is not None and self._watch.done()

    async def start(self, socket_path: Path) -> None:
        """Start the process and wait until it has imported the build. Raises StartError."""
        ours, theirs = socket.socketpair()
        settings = self._settings
        try:
            await asyncio.get_running_loop().connect_accepted_socket(lambda: self._output, ours)
            self._process = await asyncio.create_subprocess_exec(
                str(settings.python),
                "-sE",
                str(settings.code),
                str(socket_path),
                settings.hooks,
                str(self._number),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=theirs.fileno(),
                stderr=theirs.fileno(),
                env={**worker_environment(os.environ), **settings.environment},
                start_new_session=True,
            )
        except OSError as error:
            raise StartError(
                f"the interpreter {settings.python} cannot be started: {error.strerror}"
            ) from error
        finally:
            theirs.close()
        self._watch = asyncio.create_task(self._wait())
        await self._introduced
        if self._failure:
            raise StartError(self._failure)

    def introduced(self, facts: dict[str, Any], transport: asyncio.Transport) -> asyncio.Protocol:
        """Take over the link that the process has opened."""
        self._link = transport
        self.forks = facts["forks"]
        self._failure = facts["failure"] or self._other_release(facts["code"])
        self._settle()
        return FrameLink(self._receive)

    def serves(self, settings: WorkerSettings) -> bool:
        """Whether it can fork another worker, of these settings."""
        mine = self._settings
        return (
            self.alive
            and self.forks
            and (mine.python, mine.code, mine.hooks, mine.environment)
            == (settings.python, settings.code, settings.hooks, settings.environment)
        )

    def launch(self, instance: int, settings: WorkerSettings, environment: dict[str, str]) -> None:
        """Ask for a worker that has `environment` beside the launcher's."""
        spec = WorkerSpec(
            instance,
            str(settings.model_entry),
            settings.model_config,
            settings.threads,
            settings.batch_size,
            settings.batch_wait,
            settings.sigterm,
            environment,
        )
        self._instances.add(instance)
        if self._link is not None and not self._link.is_closing():
            self._link.write(pack(LAUNCH, spec.pack()))
        elif self.ended:
            self._ended(instance, "its launcher has ended")

    async def stop(self) -> None:
        """End the process and whatever it has forked, and wait until it is gone."""
        self.kill()
        if self._watch is not None:
            await self._watch

    def kill(self) -> None:
        """End the process; the kernel ends the workers that it has forked."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    def _other_release(self, code: str) -> str:
        wanted = self._settings.code
        if code == wanted.name:
            return ""
        return (
            f"the code in {wanted} is not that of this release (content hash {code}, expected "
            f"{wanted.name}); remove that directory and start again"
        )

    def _printed(self, words: str) -> None:
        self._last_words = words

    def _receive(self, frames: list[Frame]) -> None:
        for kind, _, _, _, _, payload in frames:
            if kind == EXITED:
                facts = json.loads(b"".join(payload))
                code = os.waitstatus_to_exitcode(facts["status"])
                self._ended(facts["instance"], describe_status(code))

    async def _wait(self) -> None:
        assert self._process is not None
        code = await self._process.wait()
        if not self._introduced.done():
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._output.closed.wait(), _LAST_WORDS_S)
            words = self._last_words or "it printed nothing"
            build, how = self._settings.build, describe_status(code)
            self._failure = f"the launcher of {build} ended at once ({how}): {words}"
            self._settle()
        if self._link is not None:
            self._link.close()
        for instance in list(self._instances):
            self._ended(instance, describe_status(code))

    def _ended(self, instance: int, how: str) -> None:
        self._instances.discard(instance)
        self._on_exit(instance, how)

    def _settle(self) -> None:
        if not self._introduced.done():
            self._introduced.set_result(None)


def describe_status(code: int) -> str:
    """Return how a process ended, in words."""
    if code >= 0:
        return f"exit status {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"
