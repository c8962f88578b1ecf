"""The builds on this machine: where each is, and whether it is complete."""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from eas_processor.builds.catalogue import Entry
from eas_processor.builds.locks import content_hash
from eas_processor.errors import BuildError
from eas_processor.home import home, private_directory, unwritable
from eas_processor.whole_file import write_whole

log = logging.getLogger(__name__)

_MARK = "complete.json"


@dataclass(frozen=True)
class Installed:
    """A complete build: its virtual environment, and what it was made from."""

    directory: Path
    python_version: str
    lock: str
    with_cuda: bool
    size: int
    """Bytes."""

    @property
    def python(self) -> Path:
        """The interpreter that has the build's packages."""
        return self.directory / "bin" / "python"

    @property
    def site_packages(self) -> Path:
        """The directory of those packages."""
        version = ".".join(self.python_version.split(".")[:2])
        return self.directory / "lib" / f"python{version}" / "site-packages"


def find_installed(entry: Entry) -> Installed | None:
    """
    Return the build, or None if this machine has no complete build of this release.

    The mark is written last and names the content of the lock. So a build that was interrupted, or
    was made from another lock, does not count.
    """
    directory = home() / "builds" / entry.name
    try:
        facts = json.loads((directory / _MARK).read_text(encoding="utf-8"))
        found = Installed(directory=directory, **facts)
    except (OSError, ValueError, TypeError):
        return None
    whole = found.lock == content_hash(entry, with_cuda=found.with_cuda) and found.python.exists()
    return found if whole else None


@contextlib.contextmanager
def making(entry: Entry) -> Iterator[tuple[Path, int]]:
    """
    Lock the directory of a build for one process at a time; yield the descriptor of the lock file.

    A child that inherits the descriptor keeps the lock if its parent is killed. So no other process
    clears the directory while the child writes to it.
    """
    builds = private_directory("builds")
    try:
        descriptor = os.open(builds / f".{entry.name}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise unwritable(error) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.warning("waiting for another process that makes %s, to share its build", entry.name)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield builds / entry.name, descriptor
    finally:
        os.close(descriptor)


def mark(entry: Entry, directory: Path, python_version: str, *, with_cuda: bool) -> Installed:
    """Mark the build in `directory` as complete; raises HomeError."""
    made = Installed(
        directory=directory,
        python_version=python_version,
        lock=content_hash(entry, with_cuda=with_cuda),
        with_cuda=with_cuda,
        size=disk_usage(directory),
    )
    facts = {name: value for name, value in asdict(made).items() if name != "directory"}
    try:
        write_whole(directory / _MARK, json.dumps(facts).encode())
    except OSError as error:
        raise unwritable(error) from error
    return made


def clear(directory: Path) -> None:
    """Remove a build. The mark goes first, so that an incomplete removal leaves no build."""
    try:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(directory / _MARK)
        if directory.is_symlink() or directory.is_file():
            directory.unlink()
        elif directory.exists():
            shutil.rmtree(directory)
    except OSError as error:
        raise BuildError(
            f"{directory} cannot be removed: {error.strerror or error} ({error.filename})"
        ) from error


def disk_usage(directory: Path) -> int:
    """Return the size on disk of the files below `directory`, in bytes."""
    total = 0
    for root, _, names in os.walk(directory):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(root, name)).st_blocks * 512
    return total
