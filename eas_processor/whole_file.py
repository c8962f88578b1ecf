"""Atomic writes of private files, also if the disk fails or is full."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path


def write_whole(path: Path, content: bytes, *, replace: bool = True) -> None:
    """
    Write `content` to the file `path`, readable by its owner alone; a failure leaves no draft.

    Without `replace`, an existing file stays, so the first of concurrent writers wins. Raises
    OSError with `path` as its file name.
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
        # The error of a write has no file name, and others name the draft, which is removed.
        raise OSError(error.errno, error.strerror, str(path)) from error


def _write(draft: Path, content: bytes) -> None:
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        # Some file systems report a full disk only here, and after a crash no file is empty.
        os.fsync(descriptor)
