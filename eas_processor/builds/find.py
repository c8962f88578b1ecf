"""From the name in a service file to an interpreter that can run it."""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import sys
from dataclasses import dataclass, field
from pathlib import Path

from eas_processor.builds.catalogue import NEWEST_CPU, Entry, find_entry
from eas_processor.builds.preflight import check_machine
from eas_processor.builds.provision import provision
from eas_processor.builds.uv import OnProgress

_HOOKS = "eas_processor.tf.hooks"
_DISTRIBUTIONS = ("tensorflow-cpu", "tensorflow")


@dataclass(frozen=True)
class Build:
    """
    One processor frozen with its interpreter: `python` imports the module `hooks`.

    `environment` is what its processes have in their environment beside the engine's.
    """

    name: str
    python: Path
    hooks: str
    environment: dict[str, str] = field(default_factory=dict)


def find_build(processor: str, progress: OnProgress | None = None) -> Build:
    """
    Return the build that `processor` names, made first where it is missing.

    Raises BuildError for an unknown name, or when the build cannot be made or run here.
    """
    entry = find_entry(processor)
    if is_own(entry):
        check_machine(entry)
        return Build(name=entry.name, python=Path(sys.executable), hooks=_HOOKS)
    made = provision(entry, progress=progress)
    return Build(name=entry.name, python=made.python, hooks=_HOOKS)


def is_own(entry: Entry) -> bool:
    """Whether the engine's own environment has this build's TensorFlow: no second copy then."""
    if entry.name != NEWEST_CPU or importlib.util.find_spec("tensorflow") is None:
        return False
    for distribution in _DISTRIBUTIONS:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            version = importlib.metadata.version(distribution)
            return version.split(".")[:2] == entry.tensorflow.split(".")[:2]
    return False
