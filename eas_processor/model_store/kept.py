"""Copies models whose directory is removed as soon as a link is redirected to a new version."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from eas_processor.errors import ModelFetchError
from eas_processor.home import home, private_directory
from eas_processor.model_store.content import files_below, hash_of
from eas_processor.model_store.free_space import FreeSpace
from eas_processor.model_store.store import short_hash
from eas_processor.model_store.versions import keep_version

MOST_KEPT = 2**30
"""The largest model that is copied, in bytes. Kubernetes' own volumes have some MB."""


def kept(model: Path, named: Path) -> Path:
    """
    Return `model`, or a copy of it if it lies in a hidden directory that links lead to.

    `model` is the target of the path `named`. Kubernetes (`..data`) and git-sync (`.worktrees`)
    redirect a link to a new hidden directory and remove the old one at once. A worker that starts
    later, and a rollback, still need the old one. The copy is kept until this process ends. Raises
    ModelFetchError and OSError.
    """
    hidden = {part for part in model.parts if part.startswith(".")}
    if hidden.issubset(named.parts) or model.is_relative_to(os.path.realpath(home())):
        return model
    files = [*files_below(model)]
    size = sum(facts.size for _, _, facts in files)
    versions = private_directory("models", short_hash("kept", named))
    if size > MOST_KEPT or FreeSpace(versions).lacks(size):
        return model

    def make(draft: Path) -> str:
        name = hash_of(model)
        if (versions / name).is_dir():
            return name
        for relative, file, _ in files:
            target = draft / relative
            target.parent.mkdir(parents=True, exist_ok=True)
            _link_or_copy(file, target)
        if (hash_of(draft) if model.is_dir() else hash_of(draft / model.name)) != name:
            raise ModelFetchError(f"{model} was changed while it was copied; try again")
        return name

    directory = keep_version(versions, make)
    return directory if model.is_dir() else directory / model.name


def _link_or_copy(file: Path, target: Path) -> None:
    try:
        os.link(os.path.realpath(file), target)
    except OSError:  # another file system, or a file of another user
        shutil.copyfile(file, target)
