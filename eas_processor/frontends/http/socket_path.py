"""A Unix socket at a path, which is taken over from whoever had it."""

from __future__ import annotations

import contextlib
import os
import socket
import stat

from eas_processor.errors import StartError


def take_socket_path(path: str) -> socket.socket:
    """
    Return a socket bound to `path`; one that is there already makes room.

    Servers that were killed leave theirs behind, and a successor may start before the other ends.
    Raises StartError where something else than a socket is there, or nothing can be.
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
            raise StartError(f"cannot listen on {path}: there is a file that is no socket")
        os.unlink(path)


def identity(path: str) -> tuple[int, int] | None:
    """Return what tells a socket at `path` from a later one; None where there is none."""
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def leave_socket_path(path: str, ours: tuple[int, int] | None) -> None:
    """Remove the socket that is `ours`; that of a successor stays."""
    if ours is not None and identity(path) == ours:
        with contextlib.suppress(OSError):
            os.unlink(path)
