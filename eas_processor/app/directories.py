"""Directories of service files: which files there are, and which come and go."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path

log = logging.getLogger("eas_processor.engine")

_SEEN_GONE = 2
"""Looks that must miss a file before it counts as gone: some editors replace one by way of none."""


def service_files(directory: Path) -> list[Path]:
    """Return the files of a directory that end in `.json`, in order. Raises OSError."""
    return sorted(
        each
        for each in directory.iterdir()
        if each.suffix == ".json" and not each.name.startswith(".") and not each.is_dir()
    )


class Directories:
    """
    Tells which service files have come to directories, and which have gone.

    A directory that cannot be read keeps the files that it had.
    """

    def __init__(self, directories: Iterable[Path]) -> None:
        self._directories = list(directories)
        self._missed: dict[Path, int] = {}
        """The files that are known, and how many looks have missed each of them."""
        self._unreadable: set[Path] = set()

    def look(self) -> tuple[list[Path], list[Path]]:
        """Return the files that have come since the last look, and those that have gone."""
        came: list[Path] = []
        gone: list[Path] = []
        for directory in self._directories:
            if (found := self._list(directory)) is None:
                continue
            came += [each for each in found if each not in self._missed]
            for each in [each for each in self._missed if each.parent == directory]:
                self._missed[each] += 1
                if each not in found and self._missed[each] >= _SEEN_GONE:
                    del self._missed[each]
                    gone.append(each)
            self._missed |= dict.fromkeys(found, 0)
        return came, gone

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
