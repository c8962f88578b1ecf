"""The directory from which a launcher takes the project's code: the four rooms for Python 3.6."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from pathlib import Path

import eas_processor
from eas_processor.home import private_directory, unwritable

ROOMS = ("wire", "link", "worker", "tf")
_PACKAGE = Path(eas_processor.__file__).parent


def rooms_directory() -> Path:
    """
    Return the directory of this release's rooms, made on first use.

    Its name is a hash of the content, so that a launcher never runs the code of another release. A
    launcher runs the directory itself (`python -sE DIRECTORY`), which puts it first among the
    places where Python looks for modules.
    """
    sources = _sources()
    digest = hashlib.sha256()
    for path in sources:
        digest.update(str(path.relative_to(_PACKAGE)).encode() + b"\0" + path.read_bytes() + b"\0")
    directory = private_directory("rooms") / digest.hexdigest()[:16]
    if not directory.is_dir():
        try:
            _make(directory, sources)
        except OSError as error:
            raise unwritable(error) from error
    return directory


def _sources() -> list[Path]:
    files = [_PACKAGE / "__init__.py"]
    for room in ROOMS:
        files += sorted((_PACKAGE / room).rglob("*.py"))
    return files


def _make(directory: Path, sources: list[Path]) -> None:
    scratch = Path(tempfile.mkdtemp(prefix=".rooms-", dir=directory.parent))
    try:
        for source in sources:
            target = scratch / "eas_processor" / source.relative_to(_PACKAGE)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
        shutil.copyfile(_PACKAGE / "worker" / "start.py", scratch / "__main__.py")
        os.rename(scratch, directory)
    except OSError:
        # A second process that asks at the same time makes the same; the first to rename wins.
        if not directory.is_dir():
            raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
