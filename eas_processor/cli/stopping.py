"""SIGTERM before the engine's loop takes it."""

from __future__ import annotations

import os
import signal
import sys
import warnings


def end_as_process_one() -> None:
    """
    Have SIGTERM end this process also where it is process 1, as in a container; call this first.

    The kernel keeps from process 1 what it has no handler for. To import the engine takes 0.5 s,
    and `docker stop` sends SIGTERM once and waits for 10 s.
    """
    if os.getpid() == 1:
        signal.signal(signal.SIGTERM, _end)


def _end(*_: object) -> None:
    # What is cut off in the middle, such as a coroutine that never ran, is nobody's mistake.
    warnings.simplefilter("ignore")
    sys.exit(128 + signal.SIGTERM)
