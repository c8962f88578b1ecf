"""The states of versions, as TensorFlow Serving's model status reports them."""

from __future__ import annotations

import enum
from typing import NamedTuple

from eas_processor.link import codes


class Stage(enum.Enum):
    """
    The states of a version.

        START ──▶ LOADING ──▶ AVAILABLE ──▶ UNLOADING ──▶ END
                     └────────────────────────────────────▲
    """

    START = "START"
    """It was found and waits to be loaded."""
    LOADING = "LOADING"
    AVAILABLE = "AVAILABLE"
    UNLOADING = "UNLOADING"
    """It takes no new calls and finishes those that it holds."""
    END = "END"
    """It was unloaded, or could not be loaded."""


class VersionState(NamedTuple):
    """The stage of one version. If it failed, `code` (`link.codes`) and `message` say why."""

    stage: Stage
    code: int = codes.OK
    message: str = ""
