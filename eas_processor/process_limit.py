"""How many processes and threads there may be, for who has run out of them."""

from __future__ import annotations

import contextlib
import resource
from collections.abc import Iterator
from pathlib import Path

# What Python, a launcher and C++ code say where the kernel refuses one more: EAGAIN.
_SIGNS = (
    "can't start new thread",
    "pthread_create",
    "forked: Resource temporarily unavailable",
    "started: Resource temporarily unavailable",
)


def is_shortage(words: str) -> bool:
    """Whether a sentence tells that a process or thread could not be started."""
    return any(sign in words for sign in _SIGNS)


def advised(words: str) -> str:
    """Return a sentence, and after one that tells of a shortage which setting to change."""
    return f"{words}; {_advice()}" if is_shortage(words) else words


def _advice(proc: Path = Path("/proc"), cgroups: Path = Path("/sys/fs/cgroup")) -> str:
    soft = resource.getrlimit(resource.RLIMIT_NPROC)[0]
    of_user = float("inf") if soft == resource.RLIM_INFINITY else soft
    of_group = min(_pids_max(proc, cgroups), default=float("inf"))
    if of_group <= of_user and of_group != float("inf"):
        return (
            f"there may be {of_group} processes and threads here (pids.max of the cgroup): raise "
            "that, such as with `docker run --pids-limit` or the kubelet's podPidsLimit"
        )
    if of_user != float("inf"):
        return f"this user may have {of_user} processes and threads: raise that with `ulimit -u`"
    return "the machine has as many processes and threads as it may: see kernel.threads-max"


def _pids_max(proc: Path, cgroups: Path) -> Iterator[int]:
    """Return the limits of the cgroup of this process, and of those above it."""
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
            # In a container the path may be the host's: then only the mount itself is there.
            for each in (directory, *directory.parents):
                with contextlib.suppress(OSError, ValueError):
                    yield int((each / "pids.max").read_text())
                if each == mount:
                    break
