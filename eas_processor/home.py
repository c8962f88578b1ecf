"""Where the project keeps what outlives a run: tokens, fetched models, processor builds."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

from eas_processor.errors import HomeError


def home() -> Path:
    """
    Return the data directory: `EAS_HOME`, else the platform's user data directory.

    It may not exist yet; see `private_directory`.
    """
    if configured := os.environ.get("EAS_HOME"):
        return Path(configured).expanduser().absolute()
    return platformdirs.user_data_path("eas-processor")


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


def unwritable(error: OSError) -> HomeError:
    """Return the error that says that the home cannot be written, and what to do."""
    reason = str(error.strerror or error)
    if error.filename and str(error.filename) != str(home()):
        reason = f"{error.filename}: {reason}"
    return HomeError(
        f"the data directory {home()} cannot be written ({reason}); set EAS_HOME to one that can"
    )
