"""Make a build: a virtual environment with exactly the files that its lock names."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from eas_processor.builds import installed
from eas_processor.builds.catalogue import Entry
from eas_processor.builds.check import check_import
from eas_processor.builds.extended import Extended, make_lock
from eas_processor.builds.gpu import lacks_linked_libraries
from eas_processor.builds.installed import Installed, find_installed
from eas_processor.builds.interpreters import (
    UV_OLDEST,
    Interpreter,
    fetched_pythons,
    find_interpreter,
)
from eas_processor.builds.locks import build_tools
from eas_processor.builds.preflight import check_machine, check_space
from eas_processor.builds.uv import OnProgress, run_uv
from eas_processor.errors import BuildError

log = logging.getLogger(__name__)


def provision(
    entry: Entry,
    *,
    with_cuda: bool = False,
    wheels: Path | None = None,
    fetch_python: bool = False,
    progress: OnProgress | None = None,
) -> Installed:
    """
    Return the build, and make it first if it is missing. Concurrent callers share one build.

    `wheels` is a directory with the packages, used instead of the package index. Raises BuildError
    or HomeError.
    """
    check_machine(entry)
    refuse_without_cuda_wheels(entry, with_cuda=with_cuda)
    if wheels is not None and not wheels.is_dir():
        raise BuildError(
            f"{wheels} is not a directory, expected one with the packages; "
            f"`eascmd build {entry.name} --output DIR --wheels {wheels}` fills it on a machine "
            "with a package index"
        )
    found = _satisfying(entry, with_cuda)
    if found is not None:
        return found
    with installed.making(entry) as (directory, lock):
        found = _satisfying(entry, with_cuda)
        if found is not None:
            return found
        maker = _Maker(entry, directory, lock, wheels, progress)
        return maker.make(with_cuda, fetch_python)


def refuse_without_cuda_wheels(entry: Entry, *, with_cuda: bool) -> None:
    """Raise BuildError if CUDA libraries are wanted for a build that has no wheels of them."""
    if with_cuda and entry.cuda_lock is None:
        raise BuildError(f"{entry.name} has no CUDA libraries as wheels{_who_has(entry)}")


def lock_of(entry: Entry) -> Path:
    """Return the lock of a build, made first for more packages; raises BuildError."""
    if isinstance(entry, Extended):
        try:
            python = find_interpreter(entry.name, entry.pythons).version
        except BuildError:
            python = entry.pythons[0]
        make_lock(entry, python)
    return entry.lock


def remove(entry: Entry) -> bool:
    """Remove the build; return whether any part of it existed."""
    with installed.making(entry) as (directory, _):
        there = directory.exists() or directory.is_symlink()
        installed.clear(directory)
        if isinstance(entry, Extended):
            entry.lock.unlink(missing_ok=True)
        return there


def _satisfying(entry: Entry, with_cuda: bool) -> Installed | None:
    found = find_installed(entry)
    return None if found is None or (with_cuda and not found.with_cuda) else found


def _who_has(entry: Entry) -> str:
    if entry.cuda is None:
        return ", as it runs on the CPU"
    return (
        f" (the package index has none of CUDA {entry.cuda.version}): install CUDA "
        f"{entry.cuda.version} and cuDNN {entry.cuda.cudnn} yourself"
    )


class _Maker:
    """The steps, for one build, while its lock is held."""

    def __init__(
        self,
        entry: Entry,
        directory: Path,
        lock: int,
        wheels: Path | None,
        progress: OnProgress | None,
    ) -> None:
        self._entry = entry
        self._directory = directory
        self._lock = lock
        self._wheels = wheels
        self._source = (
            [] if wheels is None else ["--no-index", "--find-links", str(wheels.absolute())]
        )
        self._progress = progress

    def make(self, with_cuda: bool, fetch_python: bool) -> Installed:
        """Clear the directory, fill it, and mark it as complete at the end."""
        entry, directory = self._entry, self._directory
        interpreter = self._interpreter(fetch_python)
        if isinstance(entry, Extended):
            make_lock(
                entry,
                interpreter.version,
                wheels=self._wheels,
                lock=self._lock,
                progress=self._progress,
            )
        # The old build is removed first, to free its disk space.
        installed.clear(directory)
        check_space(entry, directory.parent)
        log.info("making %s in %s with Python %s", entry.name, directory, interpreter.version)
        self._uv("venv", "--no-project", "--python", str(interpreter.path), str(directory))
        # In the build's directory: if this process is stopped, the next attempt clears it.
        tools = directory / "build-requirements.txt"
        tools.write_text(build_tools(entry.lock), encoding="ascii")
        self._install(tools)
        tools.unlink()
        self._install(entry.lock)
        if with_cuda and entry.cuda_lock is not None:
            self._install(entry.cuda_lock)
        if not lacks_linked_libraries(entry):
            check_import(entry, directory / "bin" / "python")
        return installed.mark(entry, directory, interpreter.version, with_cuda=with_cuda)

    def _interpreter(self, fetch_python: bool) -> Interpreter:
        entry = self._entry
        try:
            return find_interpreter(entry.name, entry.pythons)
        except BuildError:
            newest = entry.pythons[0]
            fetchable = tuple(int(part) for part in newest.split(".")) >= UV_OLDEST
            if not (fetch_python and fetchable):
                raise
        log.info("fetching Python %s", newest)
        pythons = fetched_pythons()
        where = {"UV_PYTHON_INSTALL_DIR": str(pythons), "UV_PYTHON_INSTALL_BIN": "0"}
        self._uv("python", "install", newest, environment=where)
        return find_interpreter(entry.name, entry.pythons)

    def _install(self, requirements: Path) -> None:
        # The lock is complete, and source archives are built with the tools that it names.
        self._uv(
            "pip",
            "install",
            "--python",
            str(self._directory / "bin" / "python"),
            "--require-hashes",
            "--no-deps",
            "--no-build-isolation",
            *self._source,
            "--requirements",
            str(requirements),
        )

    def _uv(self, *arguments: str, environment: dict[str, str] | None = None) -> None:
        options: Sequence[str] = ("--no-progress", "--color", "never")
        run_uv(
            self._entry.name,
            [*arguments, *options],
            directory=self._directory.parent,
            lock=self._lock,
            progress=self._progress,
            environment=environment,
        )
