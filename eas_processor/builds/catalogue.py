"""The processor builds that this release knows, and the interpreter each runs in."""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path

from eas_processor.errors import BuildError

_HOOKS = "eas_processor.tf.hooks"
_NEWEST_CPU = "tensorflow_cpu_2.21"
_ALIASES = {"tensorflow_cpu": _NEWEST_CPU}
_DISTRIBUTIONS = ("tensorflow-cpu", "tensorflow")


@dataclass(frozen=True)
class Build:
    """One processor frozen with its interpreter: `python` imports the module `hooks`."""

    name: str
    python: Path
    hooks: str


def known_processors() -> list[str]:
    """Return every name that `processor` in a service file may have."""
    return sorted([_NEWEST_CPU, *_ALIASES])


def find_build(processor: str) -> Build:
    """
    Return the build that `processor` names.

    Raises BuildError for an unknown name, or when the build's TensorFlow is not installed.
    """
    name = _ALIASES.get(processor, processor)
    if name != _NEWEST_CPU:
        known = ", ".join(known_processors())
        raise BuildError(f"processor: {processor!r} is not known; known are {known}")
    _require_tensorflow(name)
    return Build(name=name, python=Path(sys.executable), hooks=_HOOKS)


def _require_tensorflow(name: str) -> None:
    wanted = name.rpartition("_")[2]
    install = f"{sys.executable} -m pip install 'eas-processor[tensorflow]'"
    found = _tensorflow_version()
    if found is None:
        raise BuildError(
            f"processor: {name} needs TensorFlow {wanted}, which is not installed here; "
            f"get it with: {install}"
        )
    if found.split(".")[:2] != wanted.split("."):
        raise BuildError(
            f"processor: {name} needs TensorFlow {wanted}, but {found} is installed in "
            f"{sys.prefix}; get it with: {install}"
        )


def _tensorflow_version() -> str | None:
    if importlib.util.find_spec("tensorflow") is None:
        return None
    for distribution in _DISTRIBUTIONS:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            return importlib.metadata.version(distribution)
    return None
