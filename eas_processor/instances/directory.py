"""The directory of the sockets to launchers and workers, which only this user can enter."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

SOCKET = "link.sock"
_PREFIX = "eas-"
# Between taking its address and listening, a starting engine does not answer either.
_YOUNG_S = 60.0


@contextlib.contextmanager
def socket_directory() -> Iterator[Path]:
    """Make the directory, and remove it in the end, with those of engines that were killed."""
    _remove_leftovers()
    with tempfile.TemporaryDirectory(prefix=_PREFIX, ignore_cleanup_errors=True) as directory:
        yield Path(directory)


def _remove_leftovers() -> None:
    # A launcher removes the directory of its engine, unless it was killed together with it.
    for path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*/{SOCKET}"):
        with contextlib.suppress(OSError):
            old = time.time() - path.lstat().st_mtime > _YOUNG_S
            if old and path.parent.lstat().st_uid == os.getuid() and not _answers(path):
                shutil.rmtree(path.parent)


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)  # a full backlog is an answer too
        try:
            probe.connect(str(path))
        except BlockingIOError:
            return True
        except ConnectionRefusedError:
            return False
    return True
