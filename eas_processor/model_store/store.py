"""Names and locks of directories in the data directory."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_held: dict[Path, int] = {}


def short_hash(*values: object) -> str:
    """Return a file name that is the hash of `values`, 16 hexadecimal digits."""
    return hashlib.sha256("\0".join(map(str, values)).encode(errors="surrogateescape")).hexdigest()[
        :16
    ]


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file at `path` exclusively. Waits for other processes."""
    descriptor = _open(path)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def hold(path: Path) -> None:
    """Hold the lock file at `path` with others, until this process ends."""
    if path not in _held:
        _held[path] = _open(path)
        fcntl.flock(_held[path], fcntl.LOCK_SH)


def is_held(path: Path) -> bool:
    """Tell whether any process, including this one, holds the lock file at `path`."""
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
