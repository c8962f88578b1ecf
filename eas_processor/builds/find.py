"""Find or make the build that a service file names."""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from eas_processor.builds.catalogue import NEWEST_CPU, Entry, find_entry
from eas_processor.builds.extended import Extended, extend
from eas_processor.builds.gpu import Gpus, Wanted, check_before_making, plan
from eas_processor.builds.installed import find_installed
from eas_processor.builds.preflight import check_machine
from eas_processor.builds.provision import provision
from eas_processor.builds.uv import OnProgress
from eas_processor.errors import BuildError

_HOOKS = "eas_processor.tf.hooks"
# Packages of operations whose names on the package index are known to be theirs.
OPERATION_PACKAGES = frozenset(
    ["tensorflow_addons", "tensorflow_decision_forests", "tensorflow_io", "tensorflow_text"]
)
_DISTRIBUTIONS = ("tensorflow-cpu", "tensorflow")


@dataclass(frozen=True)
class Build:
    """
    A processor with its interpreter: `python` imports the module or file `hooks`.

    `gpus` says how it uses the GPUs of this machine. A custom processor runs in its `directory`,
    with the variables of `environment` beside those for the GPUs.
    """

    name: str
    python: Path
    hooks: str
    gpus: Gpus = field(default_factory=Gpus)
    directory: Path | None = None
    environment: dict[str, str] = field(default_factory=dict)


def find_build(
    processor: str,
    wanted: Wanted | None = None,
    progress: OnProgress | None = None,
    modules: Sequence[str] = (),
) -> Build:
    """
    Return the build that `processor` names, and make it first if it is missing.

    `wanted` says which GPUs the service asks for, by default none. If the build cannot import all
    `modules`, the build with their packages is returned.

    Raises BuildError for an unknown name, or if the build cannot be made or run here.
    """
    entry, wanted = with_modules(find_entry(processor), modules), wanted or Wanted()
    if is_own(entry):
        check_machine(entry)
        gpus = plan(entry, None, wanted)
        return Build(name=entry.name, python=Path(sys.executable), hooks=_HOOKS, gpus=gpus)
    if find_installed(entry) is None:
        check_before_making(entry, wanted)
    made = provision(entry, with_cuda=_cuda_is_here(entry), progress=progress)
    gpus = plan(entry, made, wanted)
    return Build(name=entry.name, python=made.python, hooks=_HOOKS, gpus=gpus)


def with_modules(entry: Entry, modules: Sequence[str]) -> Entry:
    """
    Return the build with the packages of these modules, or itself if it has them.

    Known packages of operations are added. Any other name could bring an unknown package from the
    index, so that build must have been made by `eascmd build NAME --with PACKAGE`. Raises
    BuildError if it was not.
    """
    missing = sorted({each.partition(".")[0] for each in modules if not _has(entry, each)})
    if not missing:
        return entry
    extended = extend(entry, missing)
    if not set(missing) <= OPERATION_PACKAGES and find_installed(extended) is None:
        raise BuildError(
            f"model_config.op_libraries names {' and '.join(missing)}, which {entry.name} does not "
            f"have; `eascmd build {entry.name} --with {' --with '.join(missing)}` makes a build "
            "with it, which is used from then on"
        )
    return extended


def _has(entry: Entry, module: str) -> bool:
    name = module.partition(".")[0]
    if is_own(entry):
        return importlib.util.find_spec(name) is not None
    if isinstance(entry, Extended) and name in entry.packages:
        return True
    found = find_installed(entry)
    return found is not None and any(
        (found.site_packages / each).exists() for each in (name, f"{name}.py")
    )


def _cuda_is_here(entry: Entry) -> bool:
    """Whether the base of a build that does not exist yet has the CUDA wheels."""
    if not isinstance(entry, Extended) or find_installed(entry) is not None:
        return False
    base = find_installed(entry.base)
    return base is not None and base.with_cuda


def is_own(entry: Entry) -> bool:
    """Whether the engine's environment has this build's TensorFlow, so that no copy is needed."""
    if entry.name != NEWEST_CPU or importlib.util.find_spec("tensorflow") is None:
        return False
    for distribution in _DISTRIBUTIONS:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            version = importlib.metadata.version(distribution)
            return version.split(".")[:2] == entry.tensorflow.split(".")[:2]
    return False
