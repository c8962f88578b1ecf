"""Decides what SIGHUP means: that the terminal has closed, or a request to reload."""

from __future__ import annotations

import enum
import os
import signal


class OnSighup(enum.Enum):
    """The action on SIGHUP."""

    RELOAD = enum.auto()
    STOP = enum.auto()
    IGNORE = enum.auto()


def prepare_for_sighup() -> OnSighup:
    """
    Return the action on SIGHUP. Call this first in the process.

    With a terminal, the signal means that the terminal has closed. This has to be decided at the
    start, because the terminal is gone when the signal arrives. Without a terminal, the signal asks
    for a reload, and is ignored until the engine can reload.
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
