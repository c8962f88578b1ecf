"""The child processes of the engine: launchers, workers, and orphans that it adopts."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import logging
import os
import signal
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import NamedTuple

from eas_processor.errors import StartError
from eas_processor.instances.out_of_memory import OutOfMemory
from eas_processor.serving.background import end_tasks

log = logging.getLogger("eas_processor.engine")


class Ending(NamedTuple):
    """How a process ended."""

    status: int
    """An exit status, or the negative number of the signal that ended it."""
    out_of_memory: bool = False
    """Whether the kernel killed it because memory was short."""

    @property
    def from_outside(self) -> bool:
        """Whether another process or a person killed it with SIGKILL."""
        return self.status == -signal.SIGKILL and not self.out_of_memory

    def __str__(self) -> str:
        if self.out_of_memory:
            return "killed by the kernel: out of memory"
        if self.status >= 0:
            return f"exit status {self.status}"
        try:
            return f"killed by {signal.Signals(-self.status).name}"
        except ValueError:
            return f"killed by signal {-self.status}"


OnEnd = Callable[[Ending], None]

_PR_SET_CHILD_SUBREAPER = 36  # from linux/prctl.h
_POLL_S = 0.05
"""How often a process is checked if the kernel has no pidfd_open (before 5.3, or a sandbox)."""
_ANY_THAT_ENDED = os.WEXITED | os.WNOHANG | os.WNOWAIT
_REAP_S = 1.0
_LEFT_TO_OTHERS_S = 5.0
"""
How long a dead child is left to others before it is reaped.

Threads of the engine wait for the processes that they start themselves (`subprocess.run`).
"""


class Processes:
    """
    Adopts orphaned descendants, waits for the ends of children, and reaps them.

    A worker becomes the engine's child when the process that forked it ends. A process that a
    worker started becomes one when the worker dies. If the engine is process 1, no other process
    would reap it. Raises StartError.
    """

    def __init__(self) -> None:
        if ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
            raise StartError(
                "the kernel does not support PR_SET_CHILD_SUBREAPER; Linux 3.4 or newer is needed"
            )
        self._loop = asyncio.get_running_loop()
        self._memory = OutOfMemory()
        self._watched: dict[int, list[OnEnd]] = {}
        self._descriptors: dict[int, int] = {}
        self._dead_since: dict[int, float] = {}
        """When each dead child that is not reaped yet was first seen."""
        self._tasks: set[asyncio.Task[None]] = {self._loop.create_task(self._reap_orphans())}

    def watch(self, pid: int, on_end: OnEnd) -> None:
        """
        Call `on_end` once when the child `pid` has ended.

        The process is reaped after that call, so that /proc still describes it during the call.
        """
        if pid in self._watched:
            self._watched[pid].append(on_end)
            return
        self._watched[pid] = [on_end]
        self._memory.note(pid)
        try:
            self._descriptors[pid] = os.pidfd_open(pid)
        except OSError:
            task = self._loop.create_task(self._poll(pid))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        else:
            self._loop.add_reader(self._descriptors[pid], self._look_at, pid)

    async def stop(self) -> None:
        """Stop watching all processes."""
        await end_tasks(self._tasks)
        for pid in list(self._descriptors):
            self._close(pid)
        self._watched.clear()

    async def _poll(self, pid: int) -> None:
        while pid in self._watched:
            self._look_at(pid)
            await asyncio.sleep(_POLL_S)

    def _look_at(self, pid: int) -> None:
        """If a process has ended, call its watchers and reap it."""
        try:
            ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            # In a sandbox without adoption it is not a child. How it ended is unknown.
            self._tell(pid, -signal.SIGKILL)
            return
        if ended is None:
            return
        killed = ended.si_code in (os.CLD_KILLED, os.CLD_DUMPED)
        self._tell(pid, -ended.si_status if killed else ended.si_status)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)

    def _tell(self, pid: int, status: int) -> None:
        self._close(pid)
        if status == -signal.SIGKILL:
            ending = Ending(status, self._memory.killed(pid))
        else:
            self._memory.forget(pid)
            ending = Ending(status)
        for on_end in self._watched.pop(pid, ()):
            on_end(ending)

    def _close(self, pid: int) -> None:
        if (descriptor := self._descriptors.pop(pid, None)) is not None:
            self._loop.remove_reader(descriptor)
            os.close(descriptor)

    async def _reap_orphans(self) -> None:
        while True:
            await asyncio.sleep(_REAP_S)
            self._memory.look()
            with contextlib.suppress(ChildProcessError):
                if os.waitid(os.P_ALL, 0, _ANY_THAT_ENDED) is not None:  # noqa: ASYNC222 - WNOHANG
                    self._reap_dead()

    def _reap_dead(self) -> None:
        now = monotonic()
        dead = [each for each in _children() if each not in self._watched and _is_dead(each)]
        self._dead_since = {each: self._dead_since.get(each, now) for each in dead}
        for pid, since in list(self._dead_since.items()):
            if now - since >= _LEFT_TO_OTHERS_S:
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(pid, os.WNOHANG)


def _children() -> list[int]:
    """Return the pids of the children of this process, including dead ones."""
    own = f" {os.getpid()} "
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # State and parent follow the name, which may contain any character.
            fields = path.read_text(errors="replace").rpartition(")")[2]
            if fields[2:].startswith(own):
                found.append(int(path.parent.name))
    return found


def _is_dead(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2][1] == "Z"
    except (OSError, IndexError):
        return False
