"""Operating system and interpreter functions of launchers and workers."""

import contextlib
import ctypes
import errno
import gc
import logging
import os
import signal
import socket
import sys
import time
from typing import NoReturn, Sequence

FAILED_STATUS = 70
"""The exit status after an internal error: EX_SOFTWARE of sysexits.h."""

_PR_SET_PDEATHSIG = 1
_IDLE_COLLECTION_S = 60.0
_ORPHANED_S = 0.0005
_MAX_POINTS = 1000
_NEVER = 1 << 30


def die_with_parent(parent: int) -> None:
    """
    Ask the kernel to kill this process when its parent, process `parent`, dies.

    If the parent is already dead, this function exits.
    """
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(FAILED_STATUS)


def fork_child_of(engine: int) -> bool:
    """
    Fork a child of the engine, which outlives this process; return True in the child.

    It is forked twice. This process waits only for the process in between, and the kernel kills
    the child when the engine dies. Raises OSError.
    """
    _flush_streams()
    between = os.fork()
    if between:
        status = os.waitpid(between, 0)[1]
        if status:
            number = os.WEXITSTATUS(status) if os.WIFEXITED(status) else errno.EINTR
            raise OSError(number, os.strerror(number))
        return False
    between = os.getpid()
    try:
        if os.fork():
            os._exit(0)
    except OSError as error:
        os._exit(error.errno or errno.EAGAIN)
    # The kernel makes the engine the parent of this orphan, because the engine is the nearest
    # subreaper. Until then, the parent's death does not mean the engine's.
    while os.getppid() == between:
        time.sleep(_ORPHANED_S)
    die_with_parent(engine)
    return True


def raise_oom_score(points: int) -> None:
    """
    Let the kernel kill this process before the engine when memory runs out.

    `points` are added to its `oom_score_adj` (proc(5)), which is in thousandths of all memory.
    """
    with contextlib.suppress(OSError, ValueError):  # Some sandboxes do not have the file.
        with open("/proc/self/oom_score_adj") as file:
            before = int(file.read())
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write(str(min(_MAX_POINTS, before + points)))


def thread_count() -> int:
    """Return the number of threads in this process, those of C++ code included."""
    return len(os.listdir("/proc/self/task"))


def ignore_stop_signals() -> None:
    """
    Ignore SIGTERM and SIGINT, because the engine ends its workers itself.

    Ctrl-C reaches every process of a terminal, and systemd sends SIGTERM to every process of a
    unit. The engine needs its workers to finish the accepted requests first.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        # Programs that the hooks start would inherit SIG_IGN, so this is a handler.
        signal.signal(number, lambda *_: None)
        signal.siginterrupt(number, False)


def keep_standard_descriptors() -> None:
    """Open those of descriptors 0 to 2 that are closed, so that no socket gets their numbers."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            # `open` takes the lowest free number, which is this one.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)


def close_in_children(sockets: Sequence[socket.socket]) -> None:
    """
    Replace `sockets`, in each process that is forked from now on, by closed ones.

    Such a process cannot read this one's requests or keep its sockets open. It ends when it returns
    from the hook that forked it, because it then finds its link closed.
    """

    def close_all() -> None:
        closed, other = socket.socketpair()
        other.close()
        for each in sockets:
            if each.fileno() >= 0:
                os.dup2(closed.fileno(), each.fileno(), inheritable=False)
        closed.close()

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=close_all)
        return
    fork = os.fork  # Python 3.6

    def fork_without() -> int:
        pid = fork()
        if not pid:
            close_all()
        return pid

    os.fork = fork_without


def redirect_output(sock: socket.socket) -> None:
    """Send the output of Python and C++ code, and the log, to `sock`, line by line."""
    for fd in (1, 2):
        os.dup2(sock.fileno(), fd)
    # The interpreter's own streams use the locale's encoding, and buffer up to 8 KB, which
    # os._exit loses.
    _flush_streams()
    sys.stdout, sys.stderr = (
        os.fdopen(fd, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)
        for fd in (1, 2)
    )
    root = logging.getLogger()
    root.handlers = []  # absl, which TensorFlow 1 imports, adds its own handler
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s", stream=sys.stderr)


def end(status: int = 0) -> NoReturn:
    """End the process at once, without waiting for threads of TensorFlow that may be in a run."""
    _flush_streams()
    os._exit(status)


def _flush_streams() -> None:
    for stream in (sys.stdout, sys.stderr):
        # The reader may be gone, and hooks may have replaced the stream by anything, even None.
        with contextlib.suppress(Exception):
            stream.flush()


class GarbageCollector:
    """
    Prevents full garbage collections while requests run.

    One full collection over TensorFlow's 269,000 objects stops the worker for 132 ms. Python 3.7
    and newer can freeze these objects, and a collection then takes 0.005 ms. On Python 3.6, only
    young objects are collected while requests run, and all objects when the worker is idle.
    """

    def __init__(self) -> None:
        self._freezes = hasattr(gc, "freeze")
        self._last = time.monotonic()

    def settle(self) -> None:
        """Freeze all present objects. Call it after long-lived objects were loaded."""
        # The figures are in docs/decisions/frozen-collector.md.
        gc.collect()
        if self._freezes:
            gc.freeze()
        else:
            gc.set_threshold(*(gc.get_threshold()[:2] + (_NEVER,)))
        self._last = time.monotonic()

    def idle(self) -> None:
        """Collect all objects on Python 3.6, once a minute. Call it while no request runs."""
        if not self._freezes and time.monotonic() - self._last > _IDLE_COLLECTION_S:
            gc.collect()
            self._last = time.monotonic()
