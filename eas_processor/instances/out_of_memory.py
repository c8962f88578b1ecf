"""Detects whether the kernel killed a process because memory was short."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_V2_FILES = "memory.events.local", "memory.events"
_V1_FILES = ("memory.oom_control",)


class _Mount(NamedTuple):
    """A mounted cgroup hierarchy: its directory `root` is visible at `point`."""

    root: str
    point: Path
    files: tuple[str, ...]


class OutOfMemory:
    """
    Reads the kernel's counts of out-of-memory kills in the cgroups of processes.

    The counts of a cgroup are in `memory.events` (v2) or `memory.oom_control` (v1), and those of
    the machine in /proc/vmstat. A process that has ended is no longer in its cgroup (v1), and a
    running one may be moved to another. Therefore `look` has to be called once a second.
    """

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self._proc = proc
        self._mounts = list(_mounts(proc))
        self._files: dict[int, Path] = {}
        """The file with the counts of each watched process, by pid."""
        self._counts: dict[Path, int] = {}
        self._kills = self._count(proc / "vmstat")

    def note(self, pid: int) -> None:
        """Watch a process from now on."""
        if (found := self._find(str(pid))) is not None:
            self._files[pid] = found
            if found not in self._counts:
                self._counts[found] = self._count(found)

    def look(self) -> None:
        """Find the cgroup of each watched process again."""
        for pid in list(self._files):
            self.note(pid)
        self._kills = self._count(self._proc / "vmstat")

    def killed(self, pid: int) -> bool:
        """Return whether memory was why SIGKILL ended this process, and stop watching it."""
        file = self._files.pop(pid, None)
        # For a process that was moved within the last second, only the machine's count helps.
        elsewhere = self._count(self._proc / "vmstat") > self._kills
        if file is None:
            return elsewhere
        before, now = self._counts.get(file, 0), self._count(file)
        self._counts[file] = now
        return now > before or elsewhere

    def forget(self, pid: int) -> None:
        """Stop watching a process."""
        self._files.pop(pid, None)

    def _find(self, pid: str) -> Path | None:
        """Return the file that counts the kills in the cgroup of a process."""
        try:
            lines = (self._proc / pid / "cgroup").read_text().splitlines()
        except OSError:
            return None
        for line in lines:
            number, controllers, path = line.split(":", 2)
            is_v2 = number == "0" and not controllers
            if not is_v2 and "memory" not in controllers.split(","):
                continue
            for mount in self._mounts:
                if (mount.files is _V2_FILES) == is_v2 and (found := _file(mount, path)):
                    return found
        return None

    @staticmethod
    def _count(file: Path) -> int:
        with contextlib.suppress(OSError, ValueError):
            for line in file.read_text().splitlines():
                name, _, value = line.partition(" ")
                if name == "oom_kill":
                    return int(value)
        return 0


def _mounts(proc: Path) -> Iterator[_Mount]:
    try:
        lines = (proc / "self" / "mountinfo").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        before, _, after = line.partition(" - ")
        root, point = before.split()[3:5]
        kind, _, options = after.split(maxsplit=2)
        if kind == "cgroup2":
            yield _Mount(root, Path(point), _V2_FILES)
        elif kind == "cgroup" and "memory" in options.split(","):
            yield _Mount(root, Path(point), _V1_FILES)


def _file(mount: _Mount, path: str) -> Path | None:
    """Return the count file of the cgroup at `path`, or of its nearest parent with such a file."""
    inside = path.removeprefix(mount.root) if mount.root != "/" else path
    directory = mount.point / inside.strip("/")
    for each in (directory, *directory.parents):
        if not each.is_relative_to(mount.point):
            break
        for name in mount.files:
            if (each / name).exists():
                return each / name
    return None
