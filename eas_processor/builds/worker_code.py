"""The directory from which a launcher takes the code of workers: the packages for Python 3.6."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import eas_processor
from eas_processor.home import private_directory, unwritable
from eas_processor.link.content import code_files, content_hash

_ROOT = Path(eas_processor.__file__).parents[1]


def worker_code_directory() -> Path:
    """
    Return the directory with the worker code of this release, and make it on first use.

    Its name is a hash of the content, so that a launcher never runs the code of another release. A
    launcher runs the directory itself (`python DIRECTORY`, with `-sE` for the interpreter of a
    build), which puts it first on Python's module path.
    """
    directory = private_directory("worker-code") / content_hash(str(_ROOT))
    if not directory.is_dir():
        try:
            _make(directory)
        except OSError as error:
            raise unwritable(error) from error
    return directory


def write_worker_code(directory: Path) -> None:
    """Write into `directory` the program of a launcher and the packages that it imports."""
    for name in code_files(str(_ROOT)):
        target = directory / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(_ROOT / name, target)
    shutil.copyfile(_ROOT / "eas_processor" / "worker" / "start.py", directory / "__main__.py")


def _make(directory: Path) -> None:
    scratch = Path(tempfile.mkdtemp(prefix=".worker-code-", dir=directory.parent))
    try:
        write_worker_code(scratch)
        os.rename(scratch, directory)
    except OSError:
        # Another process may make the same directory at the same time. The first to rename it wins.
        if not directory.is_dir():
            raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
