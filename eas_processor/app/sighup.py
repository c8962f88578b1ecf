"""What SIGHUP means to this process: that its terminal is gone, or that it is to reload."""

from __future__ import annotations

import enum
import os
import signal


class OnSighup(enum.Enum):
    """What to do on SIGHUP."""

    RELOAD = enum.auto()
    STOP = enum.auto()
    IGNORE = enum.auto()


def prepare_for_sighup() -> OnSighup:
    """
    Find out what SIGHUP means, and ignore it until there is something to reload; call this first.

    With a terminal it tells that the terminal has ended, and by then the system has taken the
    terminal away. Without one it asks for a reload.
    """
    if _has_terminal():
        ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN  # nohup
        return OnSighup.IGNORE if ignored else OnSighup.STOP
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    return OnSighup.RELOAD


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True
