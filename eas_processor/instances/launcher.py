"""The engine's handle on one launcher process."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Sequence

from eas_processor.contracts.settings import WorkerSettings
from eas_processor.errors import KilledError, StartError
from eas_processor.instances.environment import (
    python_environment,
    python_options,
    utf8_locale,
    worker_environment,
)
from eas_processor.instances.last_words import LastWords, without_frames
from eas_processor.instances.links import FrameLink, open_link, send_with, socket_pair
from eas_processor.instances.processes import Ending, Processes
from eas_processor.instances.worker_output import WorkerOutput
from eas_processor.link.frames import FORK, HELLO, LAUNCH, LINK_VERSION, Frame, pack
from eas_processor.link.spec import WorkerSpec
from eas_processor.process_limit import advised

_LAST_WORDS_S = 1.0
"""How long the engine waits for the last output of a process that has ended."""


class Launcher:
    """
    One launcher process. It imports the build once and forks a worker for each `launch`.

    If the import makes forking unsafe, the process itself becomes the only worker, and `forks` is
    False. `on_end` is called once, when the process has ended or its link has closed.
    """

    def __init__(
        self,
        settings: WorkerSettings,
        processes: Processes,
        on_end: Callable[[Launcher], None] = lambda _: None,
    ) -> None:
        self.pid = 0
        self.forks = True
        self.ended = False
        """Whether its process has ended or its link has closed."""
        self._settings = settings
        self._processes = processes
        self._on_end = on_end
        self._link: asyncio.Transport | None = None
        self._socket: socket.socket | None = None
        self._sending = asyncio.Lock()
        self._introduced: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._gone = asyncio.Event()
        self._explaining: asyncio.Task[None] | None = None
        self._last_words = LastWords()
        self._output = WorkerOutput(f"launcher of {settings.build}", self._last_words.note)
        self._failure: StartError | None = None

    def __str__(self) -> str:
        return f"the launcher of {self._settings.build} (pid {self.pid})"

    async def start(self) -> None:
        """
        Start the process and wait until it has imported the build.

        Raises StartError, and KilledError if it was killed from outside meanwhile.
        """
        link, output = await self._open()
        settings = self._settings
        modules = python_environment(settings.python, os.environ)
        locale = utf8_locale(os.environ)
        try:
            # The kernel ends the process with the thread that started it. This thread lives as
            # long as the engine.
            process = subprocess.Popen(  # noqa: ASYNC220 - returns at once
                [
                    str(settings.python),
                    *python_options(settings.python),
                    str(settings.code),
                    settings.hooks,
                    str(link.fileno()),
                    str(os.getpid()),
                ],
                stdin=subprocess.DEVNULL,
                stdout=output.fileno(),
                stderr=output.fileno(),
                cwd=settings.directory,
                env=worker_environment(os.environ) | locale | modules | settings.environment,
                pass_fds=[link.fileno()],
                start_new_session=True,
            )
        except OSError as error:
            self.close()
            sentence = f"the interpreter {settings.python} cannot be started: {error.strerror}"
            raise StartError(advised(sentence)) from error
        finally:
            link.close()
            output.close()
        self._watch(process.pid)
        # `Processes` reaps it, so Popen must not wait for it.
        process.returncode = 0
        await self._wait_until_ready()

    async def fork(self, on_end: Callable[[Launcher], None]) -> Launcher:
        """Fork this launcher and return the copy, with the build imported. Raises StartError."""
        copy = Launcher(self._settings, self._processes, on_end)
        link, output = await copy._open()
        try:
            await self._send(FORK, b"", [link, output])
        finally:
            link.close()
            output.close()
        await copy._wait_until_ready()
        return copy

    def serves(self) -> bool:
        """Whether it can fork another worker."""
        return self.forks and not self.ended

    async def launch(
        self,
        instance: int,
        settings: WorkerSettings,
        environment: dict[str, str],
        sockets: Sequence[socket.socket],
        *,
        low_priority: bool = False,
    ) -> None:
        """
        Ask for a worker with `environment` added to the launcher's, and with these sockets.

        It loads at `low_priority` if other instances serve meanwhile. If no worker starts, the
        sockets are closed at the other end too.
        """
        spec = WorkerSpec(
            instance,
            str(settings.model_entry),
            settings.model_config,
            settings.threads,
            settings.batch_size,
            settings.batch_wait,
            settings.sigterm,
            environment,
            low_priority,
        )
        await self._send(LAUNCH, spec.pack(), sockets)

    def kill(self) -> None:
        """Kill the process. Its workers and its spare live on."""
        if self.pid and not self._gone.is_set():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
        self.close()

    async def stop(self) -> None:
        """Kill the process and wait until it has ended."""
        self.kill()
        if self.pid:
            await self._gone.wait()

    def close(self) -> None:
        """Close the link, which also ends the process."""
        if self._link is not None:
            self._link.close()

    async def _open(self) -> tuple[socket.socket, socket.socket]:
        """Return the process's ends of its link and its output. Raises StartError."""
        self._socket, link = socket_pair()
        self._link = await open_link(self._socket, FrameLink(self._receive, self._lost))
        try:
            ours, output = socket_pair()
        except StartError:
            link.close()
            self.close()
            raise
        await open_link(ours, self._output)
        return link, output

    async def _send(self, kind: int, payload: bytes, sockets: Sequence[socket.socket]) -> None:
        async with self._sending:
            if self._link is not None and not self._link.is_closing():
                assert self._socket is not None
                descriptors = [each.fileno() for each in sockets]
                # The process may end at any time. `_process_ended` and `_lost` report that.
                with contextlib.suppress(OSError):
                    await send_with(self._socket, pack(kind, payload), descriptors)

    async def _wait_until_ready(self) -> None:
        await self._introduced
        if self._failure is not None:
            raise self._failure

    def _watch(self, pid: int) -> None:
        self.pid = pid
        self._processes.watch(pid, self._process_ended)

    def _receive(self, frames: list[Frame]) -> None:
        for kind, _, _, _, _, payload in frames:
            if kind == HELLO:
                self._introduce(json.loads(b"".join(payload)))

    def _introduce(self, facts: dict[str, object]) -> None:
        self.forks = bool(facts["forks"])
        wanted = self._settings.code
        failure = without_frames(str(facts["failure"]))
        if (facts["link"], facts["code"]) != (LINK_VERSION, wanted.name):
            failure = (
                f"the code in {wanted} has the content hash {facts['code']}, expected "
                f"{wanted.name}; remove that directory and start again"
            )
        if failure:
            self._failure = StartError(failure)
        if not self.pid:
            self._watch(int(str(facts["pid"])))
        self._settle()

    def _lost(self) -> None:
        """Note that the link is closed."""
        if not self.pid:
            # A forked copy whose pid is not known yet.
            self._fail(KilledError("a forked copy of the launcher ended before it was ready"))
        self._note_end()

    def _process_ended(self, ending: Ending) -> None:
        self._gone.set()
        self._note_end()
        self.close()
        if not self._introduced.done():
            self._explaining = asyncio.create_task(self._explain(ending))

    async def _explain(self, ending: Ending) -> None:
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._output.closed.wait(), _LAST_WORDS_S)
        words = str(self._last_words) or "it printed nothing"
        build = self._settings.build
        kind = KilledError if ending.from_outside else StartError
        self._fail(kind(advised(f"the launcher of {build} ended at once ({ending}): {words}")))

    def _fail(self, failure: StartError) -> None:
        if not self._introduced.done():
            self._failure = failure
            self._settle()

    def _note_end(self) -> None:
        if not self.ended:
            self.ended = True
            self._on_end(self)

    def _settle(self) -> None:
        if not self._introduced.done():
            self._introduced.set_result(None)
