"""Keeps the versions of one source in a directory, each as long as a process needs it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from eas_processor.model_store.store import hold, is_held, locked


def keep_version(versions: Path, make: Callable[[Path], str]) -> Path:
    """
    Return the directory of a version in `versions`, which is kept until this process ends.

    `make` fills an empty directory and returns the hash of its content, which becomes its name. If
    the version exists already, that one is returned. Versions that no process needs are removed.
    """
    with locked(versions / "lock"):
        draft = Path(tempfile.mkdtemp(prefix=".draft-", dir=versions))
        try:
            target = versions / make(draft)
            if not target.is_dir():
                draft.rename(target)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        keep_only(versions, target)
    return target


def keep_only(versions: Path, target: Path) -> None:
    """
    Keep `target` until this process ends, and remove other versions that no process needs.

    The caller has the lock of `versions`.
    """
    hold(_lock_of(target))
    for other in versions.iterdir():
        if other.is_dir() and other != target and not is_held(_lock_of(other)):
            shutil.rmtree(other)
            _lock_of(other).unlink()


def _lock_of(directory: Path) -> Path:
    return directory.with_name(f"{directory.name}.lock")
