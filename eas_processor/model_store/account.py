"""What an archive may cost, and the account of what it has cost so far."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from eas_processor.errors import ModelFetchError

_SHOWN = 80
# The work of one more header, however short it is, in bytes of a long one.
_LEAST_HEADER = 128
_LONGEST_NAME = 255  # on every file system of Linux


@dataclass(frozen=True)
class Limits:
    """How much one archive may take; sizes are in bytes."""

    members: int = 100_000
    """Directories that only a name makes count too."""
    size: int = 64 * 2**30
    """Of all files, with the holes of sparse ones."""
    path: int = 1024
    """Of one name, and of where a link leads."""
    depth: int = 64
    """Of directories, each in the other."""
    header: int = 2**20
    """Of one extended header of a tar file, or of the map of a sparse file."""
    headers: int = 32 * 2**20
    """Of all of these together, or of the directory of a zip file."""


class Account:
    """One archive's count of members, bytes and headers; whatever is beyond a limit is refused."""

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
        """Refuse a member that says to be larger than what is left, before it is written."""
        if self._size + size > self.limits.size:
            self.refuse(name, f"goes beyond the {self.limits.size} bytes that are allowed")

    def take_header(self, name: str, size: int, before: int = 0) -> None:
        """Count an extended header, or what follows `before` bytes of it, before it is read."""
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
        """Refuse a path, a name or where a link leads, that is too long or too deep."""
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
    """Return a name from an archive for a sentence: quoted, and cut where it is long."""
    return repr(text) if len(text) <= _SHOWN else f"{text[:_SHOWN]!r}..."
