"""The token of a service: from its file, empty for a public service, or generated and stored."""

from __future__ import annotations

import logging
import os
import re
import secrets
import stat
from dataclasses import dataclass
from pathlib import Path

from eas_processor.config.schema import Service
from eas_processor.config.values import TOKEN_PATTERN
from eas_processor.errors import ServiceFileError
from eas_processor.home import private_directory
from eas_processor.whole_file import write_whole

log = logging.getLogger("eas_processor.config")


@dataclass(frozen=True)
class Token:
    """A token, '' for a public service. `path` is the private file that contains it."""

    value: str
    path: Path | None = None

    def __repr__(self) -> str:
        return f"Token(path={self.path})"


def resolve_token(service: Service) -> Token:
    """Return the token; the first call generates and stores it. Raises ServiceFileError."""
    try:
        if service.token:
            # It is stored in a file too, so that commands can print its path and not the token.
            path = private_directory("given-tokens") / service.name
            write_whole(path, _content(service.token))
            return Token(service.token, path)
        if service.generate_token is False or (service.token == "" and not service.generate_token):
            return Token("")
        return _kept(private_directory("tokens") / service.name)
    except OSError as error:
        raise ServiceFileError(
            f"token: it cannot be stored in {error.filename}: {error.strerror}; "
            "set EAS_HOME to another directory"
        ) from error


def admin_token(name: str) -> Token:
    """Return the admin token of a service; the first call generates and stores it."""
    return _engines(private_directory("admin-tokens") / name, "the admin token")


def engine_admin_token() -> Token:
    """Return the admin token of all services of this user."""
    return _engines(private_directory() / "admin-token", "the admin token")


def metrics_token() -> Token:
    """Return the token of `/metrics`, which shows all services."""
    return _engines(private_directory() / "metrics-token", "the token of /metrics")


def _engines(path: Path, what: str) -> Token:
    try:
        return _kept(path)
    except OSError as error:
        raise ServiceFileError(
            f"{what} cannot be stored in {error.filename}: {error.strerror}; "
            "set EAS_HOME to another directory"
        ) from error


def _kept(path: Path) -> Token:
    """Return the token in the file at `path`, which is generated if the file is missing."""
    if not path.exists():
        # If two processes write at once, one wins and both read its token.
        write_whole(path, _content(secrets.token_urlsafe(32)), replace=False)
    return Token(_read(path), path)


def _content(token: str) -> bytes:
    return f"{token}\n".encode("ascii")


def _read(path: Path) -> str:
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        _take_back(path)
    value = path.read_bytes().decode("ascii", "replace").strip()
    if not value or not re.match(TOKEN_PATTERN, value):
        raise ServiceFileError(
            f"token: {path} does not contain a token: delete the file, and a new token is made"
        )
    return value


def _take_back(path: Path) -> None:
    """
    Make `path` readable only by its owner. Raises ServiceFileError if that is not possible.

    The mode may change at every mount of a volume. With `fsGroup`, Kubernetes makes all of its
    files readable by that group.
    """
    before = path.stat()
    found = f"{path} can be read by other users (mode {stat.S_IMODE(before.st_mode):04o})"
    remedy = "this file system does not store modes: set EAS_HOME to a directory on another one"
    try:
        path.chmod(0o600)
    except OSError:
        remedy = (
            f"it belongs to uid {before.st_uid} and this process has uid {os.geteuid()}: "
            "run `chmod 600` on it as its owner, or delete it, and a new token is made"
        )
    # On some file systems, such as Windows shares, chmod succeeds and changes nothing.
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise ServiceFileError(f"token: {found}: {remedy}")
    log.warning("token: %s; its mode is 0600 again", found)
