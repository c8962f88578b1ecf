"""Directories below the project's home, for their owner only, and locks on what is in them."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from eas_processor.home import home

_held: list[int] = []


def private_directory(*parts: str) -> Path:
    """Return the directory `parts` below the home, made with mode 0700 where it is missing."""
    directory = home()
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    for part in parts:
        directory /= part
        directory.mkdir(mode=0o700, exist_ok=True)
    return directory


def short_hash(*values: object) -> str:
    """Return a file name that stands for `values`."""
    return hashlib.sha256("\0".join(map(str, values)).encode(errors="surrogateescape")).hexdigest()[
        :16
    ]


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file at `path` alone; waits for other processes."""
    descriptor = _open(path)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def hold(path: Path) -> None:
    """Mark what the lock file at `path` stands for as in use until this process ends."""
    descriptor = _open(path)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    _held.append(descriptor)


def is_held(path: Path) -> bool:
    """Tell whether a process, this one included, holds the lock file at `path`."""
    descriptor = _open(path)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
