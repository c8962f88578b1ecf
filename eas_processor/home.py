"""The data directory, which keeps tokens, fetched models and processor builds between runs."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from eas_processor.errors import HomeError


def home() -> Path:
    """
    Return the data directory: `EAS_HOME`, else the platform's user data directory.

    The directory may not exist yet; see `private_directory`. Raises HomeError for a user without
    a home directory.
    """
    # Imported here: an installation of the client alone lacks it, and uses this module too.
    import platformdirs

    configured = os.environ.get("EAS_HOME")
    try:
        if configured:
            return Path(configured).expanduser().absolute()
        found = platformdirs.user_data_path("eas-processor")
    except RuntimeError as error:
        raise _homeless(configured) from error
    # Some releases of platformdirs do not expand `~`, which would create a directory named `~`.
    if not found.is_absolute():
        raise _homeless(None)
    return found


def user_home() -> Path | None:
    """Return the user's home directory; None for a uid without one if HOME is not set."""
    try:
        return Path.home()
    except RuntimeError:
        return None


def _homeless(configured: str | None) -> HomeError:
    who = f"HOME is not set and uid {os.getuid()} has no entry in the user database"
    if configured:
        if not configured.startswith("~/") and configured != "~":
            who = f"there is no user {configured[1:].split('/')[0]!r}"
        return HomeError(f"EAS_HOME is {configured!r}, and {who}; set EAS_HOME to an absolute path")
    return HomeError(
        f"there is no place for the data directory: {who}; "
        "set EAS_HOME to the absolute path of a writable directory"
    )


def private_directory(*parts: str) -> Path:
    """
    Return the directory `parts` below the data directory; create it, for its owner alone.

    Raises HomeError if it cannot be created.
    """
    directory = home()
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for part in parts:
            directory /= part
            directory.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise unwritable(error) from error
    return directory


def have_temporary_directory() -> None:
    """
    Use the data directory for temporary files, here and in child processes, if no other works.

    A container with a read-only root may have no writable /tmp, and TensorFlow's import needs a
    directory for temporary files. Raises HomeError.
    """
    try:
        tempfile.gettempdir()
    except FileNotFoundError:
        os.environ["TMPDIR"] = str(private_directory("tmp"))
        # Clears the cached result, so that the next call searches again.
        tempfile.tempdir = None
    else:
        return
    try:
        tempfile.gettempdir()
    except FileNotFoundError as error:
        raise HomeError(
            f"temporary files cannot be written anywhere, not even in {os.environ['TMPDIR']}; "
            "set TMPDIR to a writable directory"
        ) from error


def unwritable(error: OSError) -> HomeError:
    """Return the HomeError for an `error` of writing to the data directory."""
    reason = str(error.strerror or error)
    if error.filename and str(error.filename) != str(home()):
        reason = f"{error.filename}: {reason}"
    return HomeError(
        f"the data directory {home()} cannot be written ({reason}); "
        "set EAS_HOME to a writable directory"
    )
