"""The token of a service: given, empty, or made once and kept."""

from __future__ import annotations

import logging
import os
import re
import secrets
import stat
from dataclasses import dataclass
from pathlib import Path

from eas_processor.config.schema import TOKEN_PATTERN, Service
from eas_processor.errors import ServiceFileError
from eas_processor.home import private_directory
from eas_processor.whole_file import write_whole

log = logging.getLogger("eas_processor.config")


@dataclass(frozen=True)
class Token:
    """What a caller must show: '' is a public service; `path` is a private file that holds it."""

    value: str
    path: Path | None = None

    def __repr__(self) -> str:
        return f"Token(path={self.path})"


def resolve_token(service: Service) -> Token:
    """Return the service's token, made and kept on the first call; raises ServiceFileError."""
    try:
        if service.token:
            # In a file too, so that callers can be shown where it is without being shown it.
            path = private_directory("given-tokens") / service.name
            write_whole(path, _content(service.token))
            return Token(service.token, path)
        if service.generate_token is False or (service.token == "" and not service.generate_token):
            return Token("")
        return _kept(private_directory("tokens") / service.name)
    except OSError as error:
        raise ServiceFileError(
            f"token: it cannot be kept in {error.filename}: {error.strerror}; "
            "set EAS_HOME to another directory"
        ) from error


def admin_token(name: str) -> Token:
    """Return the token of a service's admin routes, made and kept on the first call."""
    return _engines(private_directory("admin-tokens") / name, "the admin token")


def engine_admin_token() -> Token:
    """Return the token of the admin routes of all services."""
    return _engines(private_directory() / "admin-token", "the admin token")


def metrics_token() -> Token:
    """Return the token that shows the metrics of all services."""
    return _engines(private_directory() / "metrics-token", "the token of /metrics")


def _engines(path: Path, what: str) -> Token:
    try:
        return _kept(path)
    except OSError as error:
        raise ServiceFileError(
            f"{what} cannot be kept in {error.filename}: {error.strerror}; "
            "set EAS_HOME to another directory"
        ) from error


def _kept(path: Path) -> Token:
    """Return the token that is kept at `path`, made first where there is none."""
    if not path.exists():
        # Of two processes that try, one wins and both read its token.
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
            f"token: {path} does not hold a token: delete it to have a new one made"
        )
    return value


def _take_back(path: Path) -> None:
    """
    Make `path` readable by its owner alone; raises ServiceFileError where that cannot be.

    A volume's owner may be changed at every mount: Kubernetes makes all files of one with `fsGroup`
    readable by that group.
    """
    before = path.stat()
    found = f"{path} can be read by other users (mode {stat.S_IMODE(before.st_mode):04o})"
    remedy = "this file system keeps no modes: set EAS_HOME to a directory on another one"
    try:
        path.chmod(0o600)
    except OSError:
        remedy = (
            f"it belongs to uid {before.st_uid} and this is uid {os.geteuid()}: "
            "`chmod 600` it as its owner, or delete it to have a new token made"
        )
    # Some file systems, such as those of Windows shares, take a chmod and change nothing.
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise ServiceFileError(f"token: {found}: {remedy}")
    log.warning("token: %s; it is for its owner alone again (mode 0600)", found)
