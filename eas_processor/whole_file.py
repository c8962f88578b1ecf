"""A private file that is written whole or not at all, whatever the disk says."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path


def write_whole(path: Path, content: bytes, *, replace: bool = True) -> None:
    """
    Make the file `path` with `content`, readable by its owner alone; a failure leaves no draft.

    Without `replace`, a file that is there stays: of those who write at once, the first wins.
    Raises OSError, which names `path`.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        try:
            _write(draft, content)
            if replace:
                os.replace(draft, path)
            else:
                with contextlib.suppress(FileExistsError):
                    os.link(draft, path)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        # A write names no file, and a name that is gone helps nobody.
        raise OSError(error.errno, error.strerror, str(path)) from error


def _write(draft: Path, content: bytes) -> None:
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        # Some file systems say only here that there was no room, and a crash leaves no empty file.
        os.fsync(descriptor)
