"""Reports the progress of `predict_many`."""

from __future__ import annotations

import sys
from typing import Callable, Union

Progress = Union[bool, Callable[[int, int], None]]
"""Whether to draw a bar, or a function of the number of finished requests and of all."""

_WIDTH = 30


def reporter(progress: Progress, total: int) -> Callable[[int], None]:
    """Return a function of the number of finished requests; a bar is drawn only on a terminal."""
    if callable(progress):
        told = progress
        return lambda done: told(done, total)
    if progress and sys.stderr.isatty():
        return lambda done: _draw(done, total)
    return lambda done: None


def _draw(done: int, total: int) -> None:
    filled = _WIDTH * done // max(total, 1)
    end = "\n" if done == total else ""
    bar = "#" * filled + "-" * (_WIDTH - filled)
    sys.stderr.write(f"\r[{bar}] {done:,}/{total:,}{end}")
    sys.stderr.flush()
