"""Where symbolic links lead at one moment, so that a link that is turned later changes nothing."""

from __future__ import annotations

import os
from pathlib import Path


def resolved(path: Path) -> Path:
    """
    Return where `path` leads now: no link that versions are switched by is left in it.

    A directory of nothing but links into one other, as Kubernetes mounts it (`model` leads to
    `..data/model`, and `..data` is turned), is that other. A file keeps its ending, which tells
    programs what it is.
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
    # Cut off by length, the place is the other directory only if the names are the same there.
    if all(os.path.realpath(directory / name) == str(other / name) for name in names):
        return other
    return directory
