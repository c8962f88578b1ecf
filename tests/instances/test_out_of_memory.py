"""Kills for memory, in made-up trees of /proc and of cgroups."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from eas_processor.instances.out_of_memory import OutOfMemory


class Machine:
    """A /proc, and one hierarchy of cgroups that is mounted below the test's directory."""

    def __init__(self, directory: Path, version: int, root: str = "/") -> None:
        self.proc = directory / "proc"
        self._groups = directory / "cgroup"
        self._version = version
        self._root = root
        (self.proc / "self").mkdir(parents=True)
        kind = "cgroup2 cgroup2 rw" if version == 2 else "cgroup cgroup rw,memory"
        self.mounted = f"30 20 0:26 {root} {self._groups} rw,nosuid shared:4 - {kind}\n"
        (self.proc / "self" / "mountinfo").write_text(
            f"25 20 0:5 / /dev rw - tmpfs udev rw\n{self.mounted}"
        )
        self.kill_somewhere(0)

    def group(self, path: str, kills: int) -> None:
        directory = self._groups / path.strip("/")
        directory.mkdir(parents=True, exist_ok=True)
        if self._version == 2:
            (directory / "memory.events").write_text(f"low 0\noom 1\noom_kill {kills + 7}\n")
            (directory / "memory.events.local").write_text(f"low 0\noom 1\noom_kill {kills}\n")
        else:
            (directory / "memory.oom_control").write_text(
                f"oom_kill_disable 0\nunder_oom 0\noom_kill {kills}\n"
            )

    def put(self, pid: int, path: str) -> None:
        (self.proc / str(pid)).mkdir(exist_ok=True)
        root = "" if self._root == "/" else self._root
        line = f"0::{root}{path}" if self._version == 2 else f"4:memory:{root}{path}"
        (self.proc / str(pid) / "cgroup").write_text(f"9:name=systemd:/\n{line}\n")

    def kill_somewhere(self, kills: int) -> None:
        (self.proc / "vmstat").write_text(f"nr_free_pages 1\noom_kill {kills}\n")


@pytest.fixture(params=[(1, "/"), (2, "/"), (2, "/docker/abc")], ids=["v1", "v2", "v2 below"])
def machine(tmp_path: Path, request: pytest.FixtureRequest) -> Machine:
    return Machine(tmp_path, *request.param)


def test_a_kill_in_the_group_of_the_process(machine: Machine) -> None:
    machine.group("/engine", 3)
    machine.put(5, "/engine")
    machine.put(6, "/engine")
    memory = OutOfMemory(machine.proc)
    memory.note(5)
    memory.note(6)
    assert not memory.killed(5), "what was killed there before is another matter"
    machine.group("/engine", 4)
    assert memory.killed(6)
    memory.note(7)
    machine.put(7, "/engine")
    memory.note(7)
    assert not memory.killed(7)


def test_a_process_that_was_moved(machine: Machine) -> None:
    machine.group("/engine", 0)
    machine.group("/small", 2)
    machine.put(5, "/engine")
    memory = OutOfMemory(machine.proc)
    memory.note(5)
    machine.put(5, "/small")
    memory.look()
    # A process that has ended is in the root of a hierarchy of version 1.
    machine.group("/", 0)
    machine.put(5, "/")
    assert not memory.killed(5)
    memory.note(5)
    machine.put(5, "/small")
    memory.look()
    machine.group("/small", 3)
    assert memory.killed(5)


def test_a_process_that_was_moved_a_moment_ago(machine: Machine) -> None:
    machine.group("/engine", 0)
    machine.put(5, "/engine")
    memory = OutOfMemory(machine.proc)
    memory.note(5)
    machine.kill_somewhere(1)
    assert memory.killed(5)
    memory.look()
    memory.note(5)
    assert not memory.killed(5)


def test_the_nearest_group_that_counts(machine: Machine) -> None:
    machine.group("/engine", 0)
    machine.put(5, "/engine/no/controller")
    memory = OutOfMemory(machine.proc)
    memory.note(5)
    machine.group("/engine", 1)
    assert memory.killed(5)


def test_where_there_are_no_groups_the_machine_counts(tmp_path: Path) -> None:
    proc = tmp_path / "proc"
    (proc / "self").mkdir(parents=True)
    (proc / "vmstat").write_text("oom_kill 1\n")
    memory = OutOfMemory(proc)
    memory.note(5)
    assert not memory.killed(5)
    (proc / "vmstat").write_text("oom_kill 2\n")
    assert memory.killed(5)


def test_a_proc_without_anything(tmp_path: Path) -> None:
    memory = OutOfMemory(tmp_path)
    memory.note(5)
    memory.look()
    memory.forget(5)
    assert not memory.killed(5)


def test_here(tmp_path: Any) -> None:
    memory = OutOfMemory()
    memory.note(1)
    memory.look()
    assert not memory.killed(1)
