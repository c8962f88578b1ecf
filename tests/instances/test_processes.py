"""Children of the engine: real processes, adopted by a process of their own for each test."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from eas_processor.errors import StartError
from eas_processor.instances import processes as module
from eas_processor.instances.out_of_memory import OutOfMemory
from eas_processor.instances.processes import Ending, Processes

ORPHAN = "import subprocess; print(subprocess.Popen(['sleep', '{seconds}']).pid, flush=True)"


def start(program: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)


def orphan(seconds: float) -> int:
    """Return the pid of a process that lives for `seconds`, and whose parent has ended."""
    with start(ORPHAN.format(seconds=seconds)) as parent:
        assert parent.stdout is not None
        return int(parent.stdout.readline())


@pytest.fixture(params=[True, False], ids=["pidfd", "polling"])
def has_pidfd(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    if not request.param:

        def refuse(_: int) -> int:
            raise OSError(38, "Function not implemented")

        monkeypatch.setattr(os, "pidfd_open", refuse)
    return request.param


@pytest.mark.parametrize(
    ("program", "status"),
    [("pass", 0), ("import sys; sys.exit(70)", 70), ("import os; os.kill(os.getpid(), 9)", -9)],
)
@pytest.mark.parametrize("memory", [False, True])
async def test_how_a_child_ended(
    has_pidfd: bool,
    eventually_async: Any,
    monkeypatch: pytest.MonkeyPatch,
    program: str,
    status: int,
    memory: bool,
) -> None:
    monkeypatch.setattr(OutOfMemory, "killed", lambda *_: memory)
    processes = Processes()
    child = start(program)
    ends: list[Ending] = []
    processes.watch(child.pid, ends.append)
    processes.watch(child.pid, ends.append)
    await eventually_async(lambda: ends == [Ending(status, memory and status == -9)] * 2)
    with pytest.raises(ChildProcessError):
        os.waitpid(child.pid, os.WNOHANG)
    child.returncode = 0
    assert child.stdout is not None
    child.stdout.close()
    await processes.stop()


async def test_a_kernel_that_lets_nobody_adopt(monkeypatch: pytest.MonkeyPatch) -> None:
    refuses = SimpleNamespace(prctl=lambda *_: -1)
    monkeypatch.setattr(ctypes, "CDLL", lambda _: refuses)
    with pytest.raises(StartError, match="does not support PR_SET_CHILD_SUBREAPER"):
        Processes()


async def test_an_orphan_is_adopted_and_watched(eventually_async: Any) -> None:
    processes = Processes()
    pid = orphan(60)
    ends: list[Ending] = []
    processes.watch(pid, ends.append)
    os.kill(pid, signal.SIGTERM)
    await eventually_async(lambda: ends == [Ending(-signal.SIGTERM)])
    await processes.stop()


async def test_a_child_that_has_ended_is_still_there_for_who_is_told(eventually_async: Any) -> None:
    processes = Processes()
    pid = orphan(0.5)
    seen: list[bool] = []
    processes.watch(pid, lambda _: seen.append(Path(f"/proc/{pid}/cgroup").exists()))
    await eventually_async(lambda: seen)
    assert seen == [True]
    assert not Path(f"/proc/{pid}").exists()
    await processes.stop()


async def test_orphans_are_buried_and_children_that_somebody_waits_for_are_not(
    monkeypatch: pytest.MonkeyPatch, eventually_async: Any
) -> None:
    monkeypatch.setattr(module, "_REAP_S", 0.01)
    monkeypatch.setattr(module, "_LEFT_TO_OTHERS_S", 0.5)
    processes = Processes()
    pids = [orphan(0) for _ in range(3)]
    awaited = start("pass")
    assert awaited.stdout is not None
    assert awaited.stdout.read() == "" and awaited.wait() == 0
    awaited.stdout.close()
    await eventually_async(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))
    await processes.stop()


async def test_a_process_that_is_no_child_of_ours(eventually_async: Any) -> None:
    # As where the kernel lets nobody adopt: it is not known how the process ended.
    processes = Processes()
    ends: list[Ending] = []
    processes.watch(1, ends.append)
    processes._look_at(1)
    assert ends == [Ending(-signal.SIGKILL)]
    await processes.stop()


@pytest.mark.parametrize(
    ("ending", "words", "from_outside"),
    [
        (Ending(0), "exit status 0", False),
        (Ending(70), "exit status 70", False),
        (Ending(-signal.SIGSEGV), "killed by SIGSEGV", False),
        (Ending(-signal.SIGKILL), "killed by SIGKILL", True),
        (Ending(-signal.SIGKILL, out_of_memory=True), "killed by the kernel: out of memory", False),
        (Ending(-(signal.SIGRTMIN + 1)), f"killed by signal {signal.SIGRTMIN + 1}", False),
    ],
)
def test_how_a_process_ended_in_words(ending: Ending, words: str, from_outside: bool) -> None:
    assert str(ending) == words and ending.from_outside is from_outside
