"""Load a model at a lower priority than the workers that serve."""

import contextlib
import os
from typing import Iterator

# This niceness gets a third of a core that is shared with one process of niceness 0; 10 gets a
# tenth.
# The figures are in docs/decisions/loading-beside-serving.md.
_LOADING = 5
_CAP_SYS_NICE = 23
_NICE_BASE = 20
"""A process may lower its niceness to this number minus its RLIMIT_NICE: getrlimit(2)."""


@contextlib.contextmanager
def lowered_priority(wanted: bool = True) -> Iterator[None]:
    """
    Run the body, and the threads that it starts, at a lower priority if `wanted`.

    Afterwards all threads of the process have the former priority again. The priority stays as it
    is if this process may not raise it again, as in most containers.
    """
    before = os.getpriority(os.PRIO_PROCESS, 0)
    if not wanted or before >= _LOADING or not _may_raise(before):
        yield
        return
    _set(_LOADING)
    try:
        yield
    finally:
        _set(before)


def _set(priority: int) -> None:
    """Set the niceness of all threads of this process, and of its autogroup if it has one."""
    for thread in os.listdir("/proc/self/task"):
        # A thread may have ended meanwhile.
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, int(thread), priority)
    with contextlib.suppress(OSError):
        with open("/proc/self/autogroup", "w") as file:
            file.write(str(priority))


def _may_raise(priority: int) -> bool:
    import resource

    if resource.getrlimit(resource.RLIMIT_NICE)[0] >= _NICE_BASE - priority:
        return True
    with contextlib.suppress(OSError, ValueError):
        with open("/proc/self/status") as file:
            for line in file:
                if line.startswith("CapEff:"):
                    return bool(int(line.split()[1], 16) >> _CAP_SYS_NICE & 1)
    return False
