"""Watches directories for service files that are added and removed."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path

log = logging.getLogger("eas_processor.engine")

_SEEN_GONE = 2
"""
A file counts as removed when this many looks in a row have missed it.

Some editors remove a file for a moment when they replace it.
"""


def service_files(directory: Path) -> list[Path]:
    """Return the files in a directory whose names end in `.json`, sorted. Raises OSError."""
    return sorted(
        each
        for each in directory.iterdir()
        if each.suffix == ".json" and not each.name.startswith(".") and not each.is_dir()
    )


class Directories:
    """
    Tells which service files have been added to directories, and which have been removed.

    If a directory cannot be read, its known files stay.
    """

    def __init__(self, directories: Iterable[Path]) -> None:
        self._directories = list(directories)
        self._missed: dict[Path, int] = {}
        """The number of looks in a row that have missed each known file."""
        self._unreadable: set[Path] = set()

    def look(self) -> tuple[list[Path], list[Path]]:
        """Return the files that were added since the last look, and those that were removed."""
        added: list[Path] = []
        removed: list[Path] = []
        for directory in self._directories:
            if (found := self._list(directory)) is None:
                continue
            added += [each for each in found if each not in self._missed]
            for each in [each for each in self._missed if each.parent == directory]:
                self._missed[each] += 1
                if each not in found and self._missed[each] >= _SEEN_GONE:
                    del self._missed[each]
                    removed.append(each)
            self._missed |= dict.fromkeys(found, 0)
        return added, removed

    def _list(self, directory: Path) -> list[Path] | None:
        try:
            found = service_files(directory)
        except OSError as error:
            if directory not in self._unreadable:
                log.warning(
                    "%s cannot be read, so its services stay as they are: %s",
                    directory,
                    error.strerror or error,
                )
            self._unreadable.add(directory)
            return None
        self._unreadable.discard(directory)
        return found
