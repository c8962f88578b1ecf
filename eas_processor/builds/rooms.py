"""The directory from which a launcher takes the project's code: the four rooms for Python 3.6."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import eas_processor
from eas_processor.home import private_directory, unwritable
from eas_processor.link.content import content_hash, room_files

_PACKAGE = Path(eas_processor.__file__).parent


def rooms_directory() -> Path:
    """
    Return the directory of this release's rooms, made on first use.

    Its name is a hash of the content, so that a launcher never runs the code of another release. A
    launcher runs the directory itself (`python -sE DIRECTORY`), which puts it first among the
    places where Python looks for modules.
    """
    directory = private_directory("rooms") / content_hash(str(_PACKAGE))
    if not directory.is_dir():
        try:
            _make(directory)
        except OSError as error:
            raise unwritable(error) from error
    return directory


def write_rooms(directory: Path) -> None:
    """Write into `directory` the program of a launcher and the rooms that it imports."""
    for name in room_files(str(_PACKAGE)):
        target = directory / "eas_processor" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(_PACKAGE / name, target)
    shutil.copyfile(_PACKAGE / "worker" / "start.py", directory / "__main__.py")


def _make(directory: Path) -> None:
    scratch = Path(tempfile.mkdtemp(prefix=".rooms-", dir=directory.parent))
    try:
        write_rooms(scratch)
        os.rename(scratch, directory)
    except OSError:
        # A second process that asks at the same time makes the same; the first to rename wins.
        if not directory.is_dir():
            raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
