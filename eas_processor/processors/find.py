"""Finds the code and the interpreter of a service file's custom processor."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

from eas_processor.builds.find import Build, find_build
from eas_processor.builds.gpu import Wanted
from eas_processor.builds.interpreters import probe
from eas_processor.builds.uv import OnProgress
from eas_processor.config import LoadedService
from eas_processor.errors import BuildError
from eas_processor.processors.code import Code, keep_code
from eas_processor.processors.entry import Kind
from eas_processor.processors.environment import REQUIREMENTS, environment_python

_BROUGHT = "ENV/bin/python"
"""The interpreter in the environment that the vendor's `pysdk pack` puts beside the entry file."""


def find_custom(loaded: LoadedService, wanted: Wanted, progress: OnProgress | None = None) -> Build:
    """
    Return the custom processor of a service file, with the interpreter that runs it.

    The interpreter is the processor's own (`ENV/bin/python`) if it has one. Otherwise it is that of
    the processor build that `processor` names, or else the engine's. With a `requirements.txt`
    beside the entry file, it is in an environment of its own. Raises ModelFetchError for the
    processor, and BuildError for the build or the environment.
    """
    code = keep_code(loaded)
    base = _base(loaded, wanted, progress)
    return replace(
        base,
        python=_python(code, loaded, base) if code.kind is Kind.PYTHON else base.python,
        name=f"{code.kind.value} processor {code.entry.name}",
        hooks=str(code.entry),
        directory=code.entry.parent,
        environment=_library_path(code, base) if code.kind is Kind.CPP else {},
    )


def _python(code: Code, loaded: LoadedService, base: Build) -> Path:
    brought, requirements = code.entry.parent / _BROUGHT, code.entry.parent / REQUIREMENTS
    if brought.exists():
        brought.chmod(0o755)  # unpacking an archive does not set the executable bit
        if probe(brought) is None:
            raise BuildError(
                f"{_BROUGHT} of the processor is not a Python interpreter that runs on this machine"
            )
        return brought
    if requirements.is_file():
        return environment_python(requirements, loaded.service.processor, base.python)
    return base.python


def _base(loaded: LoadedService, wanted: Wanted, progress: OnProgress | None) -> Build:
    if loaded.service.processor:
        return find_build(loaded.service.processor, wanted, progress)
    return Build(name="", python=Path(sys.executable), hooks="")


def _library_path(code: Code, base: Build) -> dict[str, str]:
    """Return a library path that begins with the directories of the processor."""
    before = base.gpus.environment.get("LD_LIBRARY_PATH", os.environ.get("LD_LIBRARY_PATH", ""))
    places = dict.fromkeys([str(code.entry.parent), str(code.directory), *before.split(":")])
    return {"LD_LIBRARY_PATH": ":".join(each for each in places if each)}
