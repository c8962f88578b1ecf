"""Advice for when a limit on processes and threads is reached."""

from __future__ import annotations

import contextlib
import resource
from collections.abc import Iterator
from pathlib import Path

# The texts of Python, a launcher and C++ code when the kernel refuses another one with EAGAIN.
_SIGNS = (
    "can't start new thread",
    "pthread_create",
    "forked: Resource temporarily unavailable",
    "started: Resource temporarily unavailable",
)


def is_shortage(words: str) -> bool:
    """Return whether a sentence says that a process or thread could not be started."""
    return any(sign in words for sign in _SIGNS)


def advised(words: str) -> str:
    """Return the sentence; if it is about a shortage, with the setting that has to be changed."""
    return f"{words}; {_advice()}" if is_shortage(words) else words


def _advice(proc: Path = Path("/proc"), cgroups: Path = Path("/sys/fs/cgroup")) -> str:
    soft = resource.getrlimit(resource.RLIMIT_NPROC)[0]
    of_user = float("inf") if soft == resource.RLIM_INFINITY else soft
    of_group = min(_pids_max(proc, cgroups), default=float("inf"))
    if of_group <= of_user and of_group != float("inf"):
        return (
            f"the cgroup allows {of_group} processes and threads (pids.max); raise the limit, for "
            "example with `docker run --pids-limit` or the kubelet's podPidsLimit"
        )
    if of_user != float("inf"):
        return f"this user may have {of_user} processes and threads; raise the limit (`ulimit -u`)"
    return "the machine has reached its limit on processes and threads; raise kernel.threads-max"


def _pids_max(proc: Path, cgroups: Path) -> Iterator[int]:
    """Yield the limits of this process's cgroup and of its ancestors."""
    with contextlib.suppress(OSError):
        for line in (proc / "self" / "cgroup").read_text().splitlines():
            number, controllers, path = line.split(":", 2)
            if number == "0" and not controllers:
                mount = cgroups
            elif "pids" in controllers.split(","):
                mount = cgroups / "pids"
            else:
                continue
            directory = mount / path.strip("/")
            # In a container the path may be that of the host; then only the mount itself exists.
            for each in (directory, *directory.parents):
                with contextlib.suppress(OSError, ValueError):
                    yield int((each / "pids.max").read_text())
                if each == mount:
                    break
