"""Writes the members of an archive into a directory, never outside it or beyond its limits."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath

from eas_processor.model_store.account import Account, shown
from eas_processor.model_store.free_space import FreeSpace
from eas_processor.model_store.sparse import Part

_MOST_LINKS = 40  # as many as Linux follows on the way to one file


class Tree:
    """
    The directory of an unpacked archive.

    Each member is checked before it is written. `root` is an existing absolute path.
    """

    def __init__(self, account: Account, root: Path) -> None:
        self._account = account
        self._root = str(root)
        self._room = FreeSpace(root)
        self._directories = {self._root}
        self.files = 0

    def add_directory(self, name: str) -> None:
        """Make a directory, which may exist already."""
        path = self._inside(name, name)
        if path not in self._directories:
            self._new(name)
            os.mkdir(path)
            self._directories.add(path)

    def add_file(self, name: str, pieces: Iterable[bytes], size: int) -> None:
        """Write a file. `size` is its declared size in bytes, checked before it is written."""
        path = self._new(name)
        self._account.expect(name, size)
        self._check_room(name, size)
        with open(path, "xb") as file:
            for piece in pieces:
                self._account.take(name, len(piece))
                self._check_room(name, len(piece))
                file.write(piece)
        self.files += 1

    def add_sparse_file(
        self,
        name: str,
        data: Callable[[int], Iterator[bytes]],
        size: int,
        parts: Sequence[Part],
    ) -> None:
        """Write a file with holes, which count towards the size. `data` reads a part."""
        path = self._new(name)
        self._account.take(name, size)
        self._check_room(name, size)
        with open(path, "xb") as file:
            for offset, length in parts:
                file.seek(offset)
                for piece in data(length):
                    self._check_room(name, len(piece))
                    file.write(piece)
            file.truncate(size)
        self.files += 1

    def add_hard_link(self, name: str, target: str) -> None:
        """Make a hard link to a file that has been written."""
        source = self._inside(target, name)
        if os.path.islink(source) or not os.path.isfile(source):
            self._account.refuse(
                name, f"is a link to {shown(target)}, which is not a file of the archive"
            )
        os.link(source, self._new(name))

    def add_symbolic_links(self, links: Sequence[tuple[str, str]]) -> None:
        """Make symbolic links, then check them: one link can change where another leads."""
        paths = [self._add_symbolic_link(name, target) for name, target in links]
        known: dict[str, str] = {}
        for (name, target), path in zip(links, paths, strict=True):
            self._resolve(name, target, path, known)

    def _add_symbolic_link(self, name: str, target: str) -> str:
        if os.path.isabs(target):
            self._account.refuse(name, f"is a link to {shown(target)}, an absolute path")
        self._account.check_path(name, target)
        parent = os.path.dirname(self._inside(name, name))
        while parent not in self._directories:
            if os.path.islink(parent):
                self._account.refuse(name, "lies below a link")
            parent = os.path.dirname(parent)
        path = self._new(name)
        os.symlink(target, path)
        return path

    def _resolve(self, name: str, target: str, path: str, known: dict[str, str]) -> None:
        """
        Refuse a link that leads outside. `known` has the targets of links that were followed.

        So each link is followed once, where `os.path.realpath` would follow chains repeatedly.
        """
        followed, links = 0, [path]
        place, ways = os.path.dirname(path), [target.split("/")[::-1]]
        while ways:
            if not ways[-1]:
                ways.pop()
                known[links.pop()] = place
                continue
            part = ways[-1].pop()
            if part in ("", "."):
                continue
            place = os.path.dirname(place) if part == ".." else f"{place}/{part}"
            if place != self._root and not place.startswith(self._root + "/"):
                self._account.refuse(name, f"is a link that leads out, to {shown(target)}")
            if place in known:
                place = known[place]
            elif place not in self._directories and os.path.islink(place):
                followed += 1
                if followed > _MOST_LINKS:
                    self._account.refuse(name, f"leads through more than {_MOST_LINKS} links")
                links.append(place)
                ways.append(os.readlink(place).split("/")[::-1])
                place = os.path.dirname(place)

    def _check_room(self, name: str, size: int) -> None:
        if lack := self._room.lacks(size):
            self._account.refuse(name, lack)

    def _new(self, name: str) -> str:
        """Return the path of a new member, and make its parent directories."""
        path = self._inside(name, name)
        if os.path.lexists(path):
            self._account.refuse(name, "is there twice")
        missing = []
        parent = os.path.dirname(path)
        while parent not in self._directories:
            missing.append(parent)
            parent = os.path.dirname(parent)
        for directory in reversed(missing):
            self._account.count(name)  # a long name can make many directories
            try:
                os.mkdir(directory)
            except FileExistsError:
                self._account.refuse(name, "lies below a file")
            self._directories.add(directory)
        return path

    def _inside(self, path: str, name: str) -> str:
        self._account.check_path(name, path)
        inside = PurePosixPath(path)
        if inside.is_absolute() or ".." in inside.parts:
            self._account.refuse(name, f"leads out of the archive, to {shown(path)}")
        return os.path.normpath(os.path.join(self._root, inside))
