"""Resolves symbolic links, so that redirecting a link later does not change a loaded model."""

from __future__ import annotations

import os
from pathlib import Path


def resolved(path: Path) -> Path:
    """
    Return the target of `path`, without any link that switches versions.

    A directory that only has links into one other directory is replaced by that one. Kubernetes
    mounts volumes like this: `model` leads to `..data/model`, and `..data` is redirected. A file
    keeps its suffix, which tells programs its format.
    """
    real = Path(os.path.realpath(path))
    if real.is_dir():
        return _behind_links(real)
    if real.suffix == path.suffix:
        return real
    return Path(os.path.realpath(path.parent)) / path.name


def _behind_links(directory: Path) -> Path:
    try:
        names = [name for name in os.listdir(directory) if not name.startswith(".")]
    except OSError:
        return directory
    places = {os.path.realpath(directory / name)[: -len(name) - 1] for name in names}
    other = Path(places.pop()) if len(places) == 1 else directory
    # The name was cut off by its length, so check that it is the same in the other directory.
    if all(os.path.realpath(directory / name) == str(other / name) for name in names):
        return other
    return directory
