"""Loading a model with less of the processor than what serves, where that can be undone."""

import contextlib
import os
from typing import Iterator

# A third of the processor's time beside one process of the usual priority; 10 would be a tenth.
_LOADING = 5
_CAP_SYS_NICE = 23
_PLAIN = 20
"""A limit of RLIMIT_NICE from which on a process may have the usual priority."""


@contextlib.contextmanager
def giving_way(gently: bool = True) -> Iterator[None]:
    """
    Run the body, and the threads that it starts, at a lower priority than what serves.

    All threads of the process have the one from before in the end. Nothing is lowered without
    `gently`, nor by who may not raise a priority again, as in most containers.
    """
    before = os.getpriority(os.PRIO_PROCESS, 0)
    if not gently or before >= _LOADING or not _may_raise(before):
        yield
        return
    _set(_LOADING)
    try:
        yield
    finally:
        _set(before)


def _set(priority: int) -> None:
    """Give a priority to all threads of this process, and to its session where those are groups."""
    for thread in os.listdir("/proc/self/task"):
        # One that has ended meanwhile needs none.
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, int(thread), priority)
    with contextlib.suppress(OSError):
        with open("/proc/self/autogroup", "w") as file:
            file.write(str(priority))


def _may_raise(priority: int) -> bool:
    import resource

    if resource.getrlimit(resource.RLIMIT_NICE)[0] >= _PLAIN - priority:
        return True
    with contextlib.suppress(OSError, ValueError):
        with open("/proc/self/status") as file:
            for line in file:
                if line.startswith("CapEff:"):
                    return bool(int(line.split()[1], 16) >> _CAP_SYS_NICE & 1)
    return False
