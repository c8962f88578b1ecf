"""Hashes of files and directories, which tell whether a model has changed."""

from __future__ import annotations

import hashlib
import os
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from eas_processor.model_store.progress import bar
from eas_processor.model_store.store import short_hash

MOST_READ = 4 * 2**30
"""
The largest directory, in bytes, whose content is hashed.

Hashing this much takes 3 s, and loading then reads the same bytes from the page cache.
"""
_PIECE = 2**20
_DIGITS = 32
_SHOWN_FROM = 256 * 2**20
# Some file systems store times in steps of 2 s, so a second write soon after the first may not
# change the time.
_SETTLED_S = 3.0
_MOST_KNOWN = 10_000


class Facts(NamedTuple):
    """
    The attributes of a file that change when it is written.

    A program can set `mtime_ns` of a file, but not `ctime_ns`.
    """

    device: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int


_known: dict[str, tuple[Facts, str]] = {}
"""
The facts and hashes of files that this process has read.

They are not stored on disk, because the facts of files in container images may repeat.
"""


def facts_of(path: Path) -> Facts:
    """Return the facts of a file, following links. Raises OSError."""
    return _facts(path.stat())


def _facts(found: os.stat_result) -> Facts:
    return Facts(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def hash_of_file(path: Path, *, progress: bool = False) -> str:
    """
    Return the hash of a file's content, 32 hexadecimal digits. Raises OSError.

    The file is read again only if its facts have changed. `progress` draws a bar for a large file.
    """
    facts = facts_of(path)
    if _known.get(str(path), (None, ""))[0] == facts:
        return _known[str(path)][1]
    settled = max(facts.mtime_ns, facts.ctime_ns) / 1e9 < time.time() - _SETTLED_S
    with bar(f"reading {path.name}", 0, facts.size, progress and facts.size >= _SHOWN_FROM) as done:
        found = _digest(path, done)
    if settled and facts_of(path) == facts:
        if len(_known) >= _MOST_KNOWN:
            _known.clear()
        _known[str(path)] = facts, found
    return found


def hash_of(path: Path) -> str:
    """
    Return a hash of the names and contents of the files at `path`, a file or directory.

    For a directory above MOST_READ bytes, the hash is made from facts instead of contents. Files
    that are removed meanwhile are left out.
    """
    found: list[object] = []
    files = [*files_below(path)]
    total = sum(facts.size for _, _, facts in files)
    for name, file, facts in files:
        try:
            found += [name, facts if total > MOST_READ else hash_of_file(file)]
        except OSError:
            found.append(name)
    return short_hash(*found)


def files_below(path: Path) -> Iterator[tuple[str, Path, Facts]]:
    """
    Yield the relative name, the path and the facts of each file at `path`, in a fixed order.

    Links are followed, and each directory is visited once. Pipes and devices, which may never end,
    are left out, and so are files that are removed meanwhile.
    """
    seen: set[tuple[int, int]] = set()
    _is_new(str(path), "", seen)
    for parent, directories, names in os.walk(path, followlinks=True):
        directories[:] = [each for each in sorted(directories) if _is_new(parent, each, seen)]
        for each in sorted(names):
            file = Path(parent, each)
            if (facts := _facts_if_there(file)) is not None:
                yield os.path.relpath(file, path), file, facts
    if not path.is_dir() and (facts := _facts_if_there(path)) is not None:
        yield path.name, path, facts


def _is_new(parent: str, name: str, seen: set[tuple[int, int]]) -> bool:
    try:
        facts = facts_of(Path(parent) / name)
    except OSError:
        return False
    key = facts.device, facts.inode
    is_new = key not in seen
    seen.add(key)
    return is_new


def _facts_if_there(path: Path) -> Facts | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return _facts(found) if stat.S_ISREG(found.st_mode) else None


def _digest(path: Path, done: Callable[[float], None]) -> str:
    found = hashlib.sha256()
    buffer = memoryview(bytearray(_PIECE))
    with open(path, "rb", buffering=0) as file:
        while size := file.readinto(buffer):
            found.update(buffer[:size])
            done(size)
    return found.hexdigest()[:_DIGITS]
