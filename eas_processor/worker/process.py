"""What a worker or launcher asks of the operating system and of the interpreter."""

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
"""Exit status after an error that is this project's own: EX_SOFTWARE of sysexits.h."""

_PR_SET_PDEATHSIG = 1
_IDLE_COLLECTION_S = 60.0
_ORPHANED_S = 0.0005
_MOST_POINTS = 1000
_NEVER = 1 << 30


def die_with_parent(parent: int) -> None:
    """
    Ask the kernel to kill this process when its parent dies, however that happens.

    If it is gone already, this ends here.
    """
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(FAILED_STATUS)


def fork_to(engine: int) -> bool:
    """
    Fork a process that is a child of the engine and dies with it; return whether this is it.

    It survives the process that forks it, which waits for the one in between. Raises OSError.
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
    # The kernel gives orphans to the engine, their nearest ancestor that has asked for them. Only
    # then does the death of the parent mean the engine's.
    while os.getppid() == between:
        time.sleep(_ORPHANED_S)
    die_with_parent(engine)
    return True


def offer_to_the_kernel(points: int) -> None:
    """
    Have the kernel, where memory is short, kill this process before the engine.

    `points` are thousandths of the memory there is (`oom_score_adj` in proc(5)), beside those that
    this process has already.
    """
    with contextlib.suppress(OSError, ValueError):  # not every sandbox has the file
        with open("/proc/self/oom_score_adj") as file:
            before = int(file.read())
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write(str(min(_MOST_POINTS, before + points)))


def thread_count() -> int:
    """Return the threads of this process, TensorFlow's own included."""
    return len(os.listdir("/proc/self/task"))


def leave_signals_to_engine() -> None:
    """
    Ignore what asks the whole service to stop.

    Ctrl-C reaches every process of a terminal, and systemd sends SIGTERM to every process of a
    unit; the engine finishes requests with the workers' help first, and ends them then.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        # Not SIG_IGN, which every program that the hooks start would inherit.
        signal.signal(number, lambda *_: None)
        signal.siginterrupt(number, False)


def keep_standard_descriptors() -> None:
    """Open what is closed of the descriptors 0 to 2, so that no socket becomes one of them."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            # The lowest number that is free.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)


def keep_from_children(sockets: Sequence[socket.socket]) -> None:
    """
    Take `sockets` from each process that is forked from this one from now on.

    It finds them closed by the other side. So it does not read this one's requests, ends when it
    comes back from the hook that has forked it, and does not keep them open.
    """

    def take_away() -> None:
        closed, other = socket.socketpair()
        other.close()
        for each in sockets:
            if each.fileno() >= 0:
                os.dup2(closed.fileno(), each.fileno(), inheritable=False)
        closed.close()

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=take_away)
        return
    fork = os.fork  # Python 3.6

    def fork_without() -> int:
        pid = fork()
        if not pid:
            take_away()
        return pid

    os.fork = fork_without


def redirect_output(sock: socket.socket) -> None:
    """Send what Python and C++ code print, and the log, to `sock`, each line as soon as it ends."""
    for fd in (1, 2):
        os.dup2(sock.fileno(), fd)
    # The interpreter's own follow the locale, and hold back up to 8 KB, which os._exit loses.
    _flush_streams()
    sys.stdout, sys.stderr = (
        os.fdopen(fd, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)
        for fd in (1, 2)
    )
    root = logging.getLogger()
    root.handlers = []  # TensorFlow 1 brings absl, which adds its own at import
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s", stream=sys.stderr)


def end(status: int = 0) -> NoReturn:
    """End the process at once, without waiting for TensorFlow's threads, which may be in a run."""
    _flush_streams()
    os._exit(status)


def _flush_streams() -> None:
    for stream in (sys.stdout, sys.stderr):
        # Nobody may be left to read it, and hooks may have put anything in their place, None too.
        with contextlib.suppress(Exception):
            stream.flush()


class GarbageCollector:
    """
    Keeps full collections away from requests.

    One full collection over TensorFlow's 269,000 objects stops the worker for 132 ms. From Python
    3.7 on they are frozen, and it takes 0.005 ms. 3.6 cannot freeze: there only young objects are
    collected while requests run, and all of them in idle moments.
    """

    def __init__(self) -> None:
        self._freezes = hasattr(gc, "freeze")
        self._last = time.monotonic()

    def settle(self) -> None:
        """Call when what lives as long as the process has been loaded; again when there is more."""
        gc.collect()
        if self._freezes:
            gc.freeze()
        else:
            gc.set_threshold(*(gc.get_threshold()[:2] + (_NEVER,)))
        self._last = time.monotonic()

    def idle(self) -> None:
        """Call in an idle moment."""
        if not self._freezes and time.monotonic() - self._last > _IDLE_COLLECTION_S:
            gc.collect()
            self._last = time.monotonic()
