"""Handle SIGTERM until the engine's loop does."""

from __future__ import annotations

import os
import signal
import sys
import warnings


def end_as_process_one() -> None:
    """
    Let SIGTERM end this process even if it is process 1, as in a container. Call this first.

    The kernel ignores signals for process 1 that have no handler. Importing the engine takes 0.5 s,
    and `docker stop` sends SIGTERM once and then waits for 10 s.
    """
    if os.getpid() == 1:
        signal.signal(signal.SIGTERM, _end)


def _end(*_: object) -> None:
    # Warnings about interrupted work, such as a coroutine that never ran, would only confuse.
    warnings.simplefilter("ignore")
    sys.exit(128 + signal.SIGTERM)
