"""Keeps a part of a disk free for logs, tokens and other programs."""

from __future__ import annotations

import os
from pathlib import Path

_SHARE = 50  # one part in so many
_LEAST = 256 * 2**20
_MOST = 4 * 2**30
_SMALL_DISK_SHARE = 10
_FILES = 1000


def kept_free(total: int) -> int:
    """Return how many of the `total` bytes of a disk unpacking and downloading leave free."""
    return min(max(total // _SHARE, _LEAST), _MOST, total // _SMALL_DISK_SHARE)


class FreeSpace:
    """The disk of a directory. Each question reads its state, because others write there too."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def lacks(self, size: int) -> str:
        """Return why `size` more bytes cannot be written, '' if they can."""
        status = os.statvfs(self._directory)
        kept = kept_free(status.f_blocks * status.f_frsize)
        free = status.f_bavail * status.f_frsize
        where = f"on the disk of {self._directory}"
        if size > free - kept:
            return (
                f"needs {size} bytes, {free} are free {where}, "
                f"of which {kept} are kept for logs and tokens"
            )
        # Some file systems have no fixed number of files, and report 0.
        if status.f_files and status.f_favail < min(_FILES, status.f_files // _SMALL_DISK_SHARE):
            return f"needs a file, only {status.f_favail} more are possible {where}: delete files"
        return ""
