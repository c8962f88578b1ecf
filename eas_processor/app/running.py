"""The services that run on this machine, and where each is reloaded and looked at."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator

from eas_processor.config.token import admin_token
from eas_processor.home import private_directory, unwritable
from eas_processor.whole_file import write_whole

log = logging.getLogger("eas_processor")


@contextlib.contextmanager
def known_address(name: str) -> Iterator[Callable[[str], None]]:
    """Keep the address of the admin routes where `eascmd` finds it, while the service runs."""
    path = private_directory("admin") / name
    kept: list[str] = []

    def keep(address: str) -> None:
        try:
            write_whole(path, address.encode("ascii"))
        except OSError as error:
            raise unwritable(error) from error
        log.info("admin routes at %s/admin, token in %s", address, admin_token(name).path)
        kept.append(address)

    try:
        yield keep
    finally:
        # A service of the same name that was started later has its own address there.
        with contextlib.suppress(OSError):
            if kept and path.read_text() == kept[0]:
                path.unlink()


def find_address(name: str) -> str:
    """Return the address of the admin routes of a running service. Raises OSError."""
    return (private_directory("admin") / name).read_text()
