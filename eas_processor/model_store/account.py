"""Limits for unpacking an archive, and the counts that are checked against them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from eas_processor.errors import ModelFetchError

_SHOWN = 80
# Each header counts as this many bytes at least, because short ones take time too.
_LEAST_HEADER = 128
_LONGEST_NAME = 255  # on every file system of Linux


@dataclass(frozen=True)
class Limits:
    """The limits of one archive. Sizes are in bytes."""

    members: int = 100_000
    """The number of members and of directories in their names."""
    size: int = 64 * 2**30
    """The size of all files together, including the holes of sparse ones."""
    path: int = 1024
    """The length of a member's name, or of a link's target."""
    depth: int = 64
    """The depth of nested directories."""
    header: int = 2**20
    """The size of one extended header of a tar file, or of the map of a sparse file."""
    headers: int = 32 * 2**20
    """The size of all of these together, or of the directory of a zip file."""


class Account:
    """Counts members, bytes and headers of one archive. Raises ModelFetchError beyond a limit."""

    def __init__(self, archive: Path, limits: Limits) -> None:
        self.archive = archive
        self.limits = limits
        self._members = 0
        self._size = 0
        self._headers = 0

    def count(self, name: str) -> None:
        """Count one member."""
        self._members += 1
        if self._members > self.limits.members:
            self.refuse(name, f"is one more than the {self.limits.members} that are allowed")

    def take(self, name: str, size: int) -> None:
        """Count bytes of a file."""
        self.expect(name, size)
        self._size += size

    def expect(self, name: str, size: int) -> None:
        """Refuse a member whose declared size is beyond the limit, before it is written."""
        if self._size + size > self.limits.size:
            self.refuse(name, f"goes beyond the {self.limits.size} bytes that are allowed")

    def take_header(self, name: str, size: int, before: int = 0) -> None:
        """Count `size` bytes of an extended header after `before` bytes, before they are read."""
        if before + size > self.limits.header:
            self.refuse(
                name,
                f"has a header of {before + size} bytes, at most {self.limits.header} are allowed",
            )
        self._headers += max(size, _LEAST_HEADER)
        if self._headers > self.limits.headers:
            self.refuse(
                name,
                f"has a header beyond the {self.limits.headers} bytes of headers that are allowed",
            )

    def check_path(self, name: str, path: str) -> None:
        """Refuse a path or a link's target that is too long or too deep."""
        encoded = path.encode(errors="surrogateescape")
        if len(encoded) > self.limits.path:
            self.refuse(
                name, f"has a path of {len(encoded)} bytes, at most {self.limits.path} are allowed"
            )
        longest = max(map(len, encoded.split(b"/")))
        if longest > _LONGEST_NAME:
            self.refuse(
                name, f"has a name of {longest} bytes, at most {_LONGEST_NAME} are possible"
            )
        depth = path.count("/")
        if depth > self.limits.depth:
            self.refuse(
                name, f"lies {depth} directories deep, at most {self.limits.depth} are allowed"
            )

    def refuse_whole(self, reason: str) -> NoReturn:
        """Raise ModelFetchError with the archive and the reason."""
        raise ModelFetchError(f"{self.archive}: {reason}")

    def refuse(self, name: str, reason: str) -> NoReturn:
        """Raise ModelFetchError with the archive, the member and the reason."""
        raise ModelFetchError(f"{self.archive}: the member {shown(name)} {reason}")


def shown(text: str) -> str:
    """Return a name from an archive for an error: quoted, and cut at 80 characters."""
    return repr(text) if len(text) <= _SHOWN else f"{text[:_SHOWN]!r}..."
