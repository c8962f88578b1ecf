"""Where the project keeps what outlives a run: tokens, fetched models, processor builds."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs


def home() -> Path:
    """
    Return the data directory: `EAS_HOME`, else the platform's user data directory.

    It is not created here; whoever writes below it does that.
    """
    if configured := os.environ.get("EAS_HOME"):
        return Path(configured).expanduser().absolute()
    return platformdirs.user_data_path("eas-processor")
