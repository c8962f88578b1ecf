"""What a worker or launcher asks of the operating system and of the interpreter."""

import ctypes
import gc
import os
import shutil
import signal
import socket
import time

_PR_SET_PDEATHSIG = 1
_IDLE_COLLECTION_S = 60.0


def die_with_parent() -> None:
    """Ask the kernel to kill this process when its parent dies, however that happens."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def thread_count() -> int:
    """Return the threads of this process, TensorFlow's own included."""
    return len(os.listdir("/proc/self/task"))


def default_signals() -> None:
    """Undo the launcher's handlers; Ctrl-C on a terminal is for the engine to act on."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def redirect_output(fd: int) -> None:
    """Send stdout and stderr, C++ code's included, to `fd`."""
    os.dup2(fd, 1)
    os.dup2(fd, 2)


def remove_if_orphaned(socket_path: str) -> None:
    """Remove the directory of the engine's socket when no engine answers there: it died without the time to do so."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(socket_path)
        except OSError:
            shutil.rmtree(os.path.dirname(socket_path), ignore_errors=True)


class GarbageCollector:
    """
    Keeps full collections away from requests.

    One full collection over TensorFlow's 269,000 objects stops the worker for 132 ms. From Python 3.7 on they are
    frozen, and it takes 0.005 ms. 3.6 cannot freeze: there collection is off and made up for in idle moments.
    """

    def __init__(self) -> None:
        self._last = time.monotonic()

    def settle(self) -> None:
        """Call once, when everything that lives as long as the process has been loaded."""
        gc.collect()
        if hasattr(gc, "freeze"):
            gc.freeze()
        else:
            gc.disable()
        self._last = time.monotonic()

    def idle(self) -> None:
        """Call in an idle moment."""
        if not gc.isenabled() and time.monotonic() - self._last > _IDLE_COLLECTION_S:
            gc.collect()
            self._last = time.monotonic()
