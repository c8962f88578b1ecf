"""An environment that pip made from a build's requirements, taken as that build."""

from __future__ import annotations

import os
from pathlib import Path

from eas_processor.builds import installed
from eas_processor.builds.catalogue import Entry
from eas_processor.builds.check import OnLine, check
from eas_processor.builds.gpu import lacks_linked_libraries
from eas_processor.builds.installed import Installed
from eas_processor.builds.interpreters import probe
from eas_processor.builds.preflight import check_machine
from eas_processor.builds.provision import lock_of
from eas_processor.errors import BuildError
from eas_processor.home import unwritable


def adopt(entry: Entry, environment: Path, on_line: OnLine, *, with_cuda: bool) -> Installed:
    """
    Use the virtual environment in a directory as the build, if it passes the self-test.

    The environment stays where it is, and the build's directory links to it. `on_line` is called
    with one line for each step. Raises BuildError or HomeError.
    """
    check_machine(entry)
    environment = environment.absolute()
    version = _python_of(entry, environment)
    lock = lock_of(entry)
    if why := lacks_linked_libraries(entry):
        raise BuildError(why)
    advice = (
        f"{environment} is not used; `eascmd build {entry.name} --output DIR` writes a README that "
        "says how to make such an environment"
    )
    check(entry, environment / "bin" / "python", lock, on_line, advice)
    with installed.making(entry) as (directory, _):
        if directory.resolve() == environment.resolve():
            raise BuildError(f"{environment} is the directory of {entry.name}: give another one")
        installed.clear(directory)
        try:
            directory.mkdir()
            # Not one link to all of it: the mark is ours, and the environment may be read-only.
            for each in environment.iterdir():
                (directory / each.name).symlink_to(each)
        except OSError as error:
            raise unwritable(error) from error
        return installed.mark(entry, directory, version, with_cuda=with_cuda)


def _python_of(entry: Entry, environment: Path) -> str:
    python = environment / "bin" / "python"
    if not os.access(python, os.X_OK) or not (environment / "pyvenv.cfg").is_file():
        raise BuildError(f"{environment} is not a virtual environment: it has no {python}")
    found = probe(python)
    if found is None:
        raise BuildError(f"{python} does not run on this machine")
    if ".".join(found.version.split(".")[:2]) not in entry.pythons:
        raise BuildError(
            f"{entry.name} needs Python {' or '.join(entry.pythons)}, and {python} is "
            f"{found.version}"
        )
    return found.version
