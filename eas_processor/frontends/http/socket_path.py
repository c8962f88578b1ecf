"""Binds a Unix socket to a path, and replaces an older socket there."""

from __future__ import annotations

import contextlib
import os
import socket
import stat

from eas_processor.errors import StartError


def take_socket_path(path: str) -> socket.socket:
    """
    Return a socket bound to `path`, which replaces an older socket there.

    A server that was killed leaves its socket behind, and a successor may start before the old
    server ends. Raises StartError if `path` is another kind of file, or cannot be created.
    """
    taken = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _make_room(path)
        taken.bind(path)
    except OSError as error:
        taken.close()
        raise StartError(f"cannot listen on {path}: {error.strerror or error}") from error
    except BaseException:
        taken.close()
        raise
    return taken


def _make_room(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            raise StartError(f"cannot listen on {path}: it is a file, expected a socket or nothing")
        os.unlink(path)


def identity(path: str) -> tuple[int, int] | None:
    """Return device and inode of the socket at `path`, or None if there is none."""
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def leave_socket_path(path: str, ours: tuple[int, int] | None) -> None:
    """Remove the socket at `path` if its `identity` is `ours`. A successor's socket stays."""
    if ours is not None and identity(path) == ours:
        with contextlib.suppress(OSError):
            os.unlink(path)
