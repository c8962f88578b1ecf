"""Where the project keeps what outlives a run: tokens, fetched models, processor builds."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from eas_processor.errors import HomeError


def home() -> Path:
    """
    Return the data directory: `EAS_HOME`, else the platform's user data directory.

    It may not exist yet; see `private_directory`. Raises HomeError for a user without a home.
    """
    # Here: who asks for temporary files may have installed the client alone.
    import platformdirs

    configured = os.environ.get("EAS_HOME")
    try:
        if configured:
            return Path(configured).expanduser().absolute()
        found = platformdirs.user_data_path("eas-processor")
    except RuntimeError as error:
        raise _homeless(configured) from error
    # Some releases of platformdirs leave `~` as it is: a directory of that name would be made.
    if not found.is_absolute():
        raise _homeless(None)
    return found


def user_home() -> Path | None:
    """Return the user's own directory; None for a uid that has none and no HOME."""
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
        "set EAS_HOME to a directory that can be written, with an absolute path"
    )


def private_directory(*parts: str) -> Path:
    """
    Return the directory `parts` below the home, made where it is missing, for its owner alone.

    Raises HomeError when it cannot be made.
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
    Have this process and its children put temporary files below the home where nothing else works.

    With a read-only root there may be no /tmp, and TensorFlow cannot even be imported without one.
    Raises HomeError.
    """
    try:
        tempfile.gettempdir()
    except FileNotFoundError:
        os.environ["TMPDIR"] = str(private_directory("tmp"))
        # It is looked for again.
        tempfile.tempdir = None
    else:
        return
    try:
        tempfile.gettempdir()
    except FileNotFoundError as error:
        raise HomeError(
            f"temporary files cannot be written anywhere, not even in {os.environ['TMPDIR']}; "
            "set TMPDIR to a directory that can be written"
        ) from error


def unwritable(error: OSError) -> HomeError:
    """Return the error that says that the home cannot be written, and what to do."""
    reason = str(error.strerror or error)
    if error.filename and str(error.filename) != str(home()):
        reason = f"{error.filename}: {reason}"
    return HomeError(
        f"the data directory {home()} cannot be written ({reason}); set EAS_HOME to one that can"
    )
