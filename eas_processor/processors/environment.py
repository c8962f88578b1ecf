"""The environment of a Python processor with a `requirements.txt`, which uv makes once."""

from __future__ import annotations

import fcntl
import logging
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from eas_processor.builds.catalogue import find_entry
from eas_processor.builds.interpreters import probe
from eas_processor.builds.progress import progress_bar
from eas_processor.builds.uv import OnProgress, run_uv
from eas_processor.errors import BuildError, ModelFetchError
from eas_processor.home import private_directory, unwritable
from eas_processor.model_store.store import short_hash
from eas_processor.whole_file import write_whole

log = logging.getLogger("eas_processor")

REQUIREMENTS = "requirements.txt"
_LOCK = "requirements.lock"
_WORKERS = "numpy\n"
"""The requirements of the worker itself."""
_MARK = "complete"

# Lines of a `requirements.txt` that refer to other files of the processor.
_NAMES_FILES = re.compile(r"\s*(-[rcef]\b|--(requirement|constraint|editable|find)|.*\./|.*file:)")


def environment_python(requirements: Path, processor: str, base: Path) -> Path:
    """
    Return the interpreter of an environment with the packages of the file `requirements`.

    The environment is made if it is missing. It uses the interpreter `base`, and also has the
    packages of the processor build `processor` unless that is "". The first use resolves the
    versions and stores them with hashes beside the environment. Raises BuildError, HomeError and
    ModelFetchError.
    """
    interpreter = probe(base)
    if interpreter is None:
        raise BuildError(f"{base} is not a Python interpreter that runs on this machine")
    asked = _read(requirements)
    place = requirements.parent if any(map(_NAMES_FILES.match, asked.splitlines())) else ""
    inputs = [requirements]
    if processor:
        inputs.append(find_entry(processor).lock)
    facts = [interpreter.path, interpreter.version, asked, place]
    facts += [each.read_text("utf-8") for each in inputs[1:]]
    directory = private_directory("environments", short_hash(*facts))
    python = directory / "env" / "bin" / "python"
    with _alone(directory) as lock:
        if not (directory / _MARK).exists():
            with progress_bar(f"packages of {requirements.parent.name}") as progress:
                _Maker(requirements, directory, lock, progress).make(interpreter.path, inputs)
    return python


def _read(requirements: Path) -> str:
    try:
        return requirements.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ModelFetchError(f"{requirements} cannot be read: {error}") from error


@contextmanager
def _alone(directory: Path) -> Iterator[int]:
    """Hold the lock of the directory. A child that inherits the descriptor holds it too."""
    try:
        lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise unwritable(error) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock
    finally:
        os.close(lock)


class _Maker:
    """Makes one environment. The lock of `directory` is held meanwhile."""

    def __init__(
        self, requirements: Path, directory: Path, lock: int, progress: OnProgress | None
    ) -> None:
        self._requirements = requirements
        self._directory = directory
        self._lock = lock
        self._progress = progress

    def make(self, base: Path, inputs: list[Path]) -> None:
        directory = self._directory
        workers = directory / "worker.txt"
        log.info("making the environment of %s in %s", self._requirements, directory)
        try:
            shutil.rmtree(directory / "env", ignore_errors=True)
            self._uv("venv", "--no-project", "--python", str(base), str(directory / "env"))
            if not (directory / _LOCK).exists():
                workers.write_text(_WORKERS, "ascii")
                self._solve([*inputs, workers])
            self._install()
            write_whole(directory / _MARK, b"")
        except OSError as error:
            raise unwritable(error) from error

    def _solve(self, inputs: list[Path]) -> None:
        draft = self._directory / f"{_LOCK}.part"
        self._uv(
            *("pip", "compile", "--generate-hashes", "--no-header", "--no-annotate", "--quiet"),
            *("--python", str(self._directory / "env" / "bin" / "python")),
            *("--output-file", str(draft)),
            *map(str, inputs),
        )
        draft.rename(self._directory / _LOCK)

    def _install(self) -> None:
        self._uv(
            *("pip", "install", "--no-deps"),
            *("--python", str(self._directory / "env" / "bin" / "python")),
            *("--requirements", str(self._directory / _LOCK)),
        )

    def _uv(self, *arguments: str) -> None:
        run_uv(
            str(self._requirements.name),
            [*arguments, "--no-progress", "--color", "never"],
            directory=self._requirements.parent,
            lock=self._lock,
            progress=self._progress,
            failure="cannot be met",
        )
