"""From the name in a service file to an interpreter that can run it."""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import sys
from dataclasses import dataclass, field
from pathlib import Path

from eas_processor.builds.catalogue import NEWEST_CPU, Entry, find_entry
from eas_processor.builds.gpu import Gpus, Wanted, check_before_making, plan
from eas_processor.builds.installed import find_installed
from eas_processor.builds.preflight import check_machine
from eas_processor.builds.provision import provision
from eas_processor.builds.uv import OnProgress

_HOOKS = "eas_processor.tf.hooks"
_DISTRIBUTIONS = ("tensorflow-cpu", "tensorflow")


@dataclass(frozen=True)
class Build:
    """
    One processor frozen with its interpreter: `python` imports the module or file `hooks`.

    `gpus` is what it gets of the machine's cards. A custom processor runs in its `directory`, and
    has `environment` beside that of the cards.
    """

    name: str
    python: Path
    hooks: str
    gpus: Gpus = field(default_factory=Gpus)
    directory: Path | None = None
    environment: dict[str, str] = field(default_factory=dict)


def find_build(
    processor: str, wanted: Wanted | None = None, progress: OnProgress | None = None
) -> Build:
    """
    Return the build that `processor` names, made first where it is missing.

    `wanted` is what the service asks of the machine's cards, nothing unless it is given.

    Raises BuildError for an unknown name, or when the build cannot be made or run here.
    """
    entry, wanted = find_entry(processor), wanted or Wanted()
    if is_own(entry):
        check_machine(entry)
        gpus = plan(entry, None, wanted)
        return Build(name=entry.name, python=Path(sys.executable), hooks=_HOOKS, gpus=gpus)
    if find_installed(entry) is None:
        check_before_making(entry, wanted)
    made = provision(entry, progress=progress)
    gpus = plan(entry, made, wanted)
    return Build(name=entry.name, python=made.python, hooks=_HOOKS, gpus=gpus)


def is_own(entry: Entry) -> bool:
    """Whether the engine's own environment has this build's TensorFlow: no second copy then."""
    if entry.name != NEWEST_CPU or importlib.util.find_spec("tensorflow") is None:
        return False
    for distribution in _DISTRIBUTIONS:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            version = importlib.metadata.version(distribution)
            return version.split(".")[:2] == entry.tensorflow.split(".")[:2]
    return False
