"""Entries: files that tell `eascmd` where the admin routes of running services are."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from eas_processor.config.token import engine_admin_token
from eas_processor.errors import HomeError
from eas_processor.home import private_directory, unwritable

log = logging.getLogger("eas_processor")

_SERVICES, _ENGINES = "admin", "engines"


class Entries:
    """
    The files that contain the address of this engine's admin routes.

    There is one for the engine, and one for each service. A file belongs to the engine that holds
    its lock, which the kernel releases if the engine is killed. If a second engine serves the same
    name, it takes the file when the first has ended.
    """

    def __init__(self) -> None:
        self._directory = private_directory(_SERVICES)
        self._address = ""
        self._token: Path | None = None
        self._held: dict[Path, int] = {}
        """The locked files, with their descriptors."""
        self._wanted: dict[str, str] = {}
        """The names whose file another engine has, with the last reason in the log."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for path in [*self._held]:
            self._release(path)

    def open(self, address: str) -> None:
        """Write the files of the engine and of all names with this address. Raises HomeError."""
        self._address, self._token = address, engine_admin_token().path
        log.info("admin routes at %s/admin, token in %s", address, self._token)
        engines = private_directory(_ENGINES)
        _remove_leftovers(engines)
        # Another engine that removes leftovers may hold the lock of a new file briefly.
        while not self._take(engines / secrets.token_hex(8)):
            pass
        for name in [*self._wanted]:
            self._try(name)

    def add(self, name: str) -> None:
        """Write the file of a service, as soon as the address is known. Raises HomeError."""
        self._wanted[name] = ""
        if self._address:
            self._try(name)

    def remove(self, name: str) -> None:
        """Remove the file of a service."""
        self._wanted.pop(name, None)
        self._release(self._directory / name)

    def retry(self) -> None:
        """Take the files that other engines have released. The log has each new obstacle once."""
        if not self._address:
            return
        for name, said in [*self._wanted.items()]:
            try:
                self._try(name)
            except HomeError as error:
                self._wanted[name] = str(error)
                if str(error) != said:
                    log.error("%s: eascmd does not find it: %s", name, error)

    def _try(self, name: str) -> None:
        """Take the file of a name, or log once which engine has it. Raises HomeError."""
        if self._take(self._directory / name):
            del self._wanted[name]
            return
        try:
            other = f"another engine ({find_address(name)}/admin)"
        except OSError:
            # A reader holds the lock briefly, or the other engine has just released it.
            return
        if self._wanted[name] == other:
            return
        self._wanted[name] = other
        log.warning(
            "%s: %s serves this name too, and eascmd reaches that one until it ends; the admin "
            "routes of this one are at %s/admin (--admin-port), with the token in %s",
            name,
            other,
            self._address,
            self._token,
        )

    def _take(self, path: Path) -> bool:
        """Lock a file and write the address to it. Return False if another engine has it."""
        try:
            descriptor = _lock(path)
            if descriptor is None:
                return False
            try:
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, self._address.encode("ascii"), 0)
            except OSError as error:
                path.unlink(missing_ok=True)
                os.close(descriptor)
                raise OSError(error.errno, error.strerror, str(path)) from error
        except OSError as error:
            raise unwritable(error) from error
        self._held[path] = descriptor
        return True

    def _release(self, path: Path) -> None:
        if (descriptor := self._held.pop(path, None)) is None:
            return
        with contextlib.suppress(OSError):
            # On a file system without locks, another engine may have written its own address.
            if path.read_bytes() == self._address.encode():
                path.unlink()
        os.close(descriptor)


def find_address(name: str) -> str:
    """
    Return the address of the admin routes of a running service.

    Raises OSError if no engine serves it, or if its engine was killed.
    """
    path = private_directory(_SERVICES) / name
    if not (address := _address_in(path)):
        raise ProcessLookupError("its engine was killed")
    return address


def running_services() -> dict[str, str]:
    """Return the addresses of the admin routes of running services, by name."""
    return dict(_addresses(_SERVICES))


def running_engines() -> list[str]:
    """Return the addresses of the admin routes of running engines."""
    return sorted({address for _, address in _addresses(_ENGINES)})


def _addresses(kind: str) -> Iterator[tuple[str, str]]:
    try:
        paths = sorted(private_directory(kind).iterdir())
    except OSError as error:
        raise HomeError(f"{error.filename}: cannot be read: {error.strerror}") from error
    for path in paths:
        with contextlib.suppress(OSError):
            if address := _address_in(path):
                yield path.name, address


def _address_in(path: Path) -> str:
    """Return the address in a file, '' if no engine holds its lock. Raises OSError."""
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            # An engine holds the lock, or the file system has no locks.
            return file.read().decode("ascii", "replace")
        return ""


def _lock(path: Path) -> int | None:
    """Open and lock the file at `path`. Return its descriptor, None if it is locked already."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        except OSError:
            pass  # On a file system without locks, the last engine has the file.
        # The previous owner may have removed the file between `open` and `flock`.
        if _is_same(descriptor, path):
            return descriptor
        os.close(descriptor)


def _is_same(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _remove_leftovers(directory: Path) -> None:
    """Remove the files of engines that were killed."""
    for path in directory.iterdir():
        with contextlib.suppress(OSError), path.open("rb+") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_same(file.fileno(), path):
                path.unlink()
