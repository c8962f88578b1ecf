"""How far each version of a service has come, as TensorFlow Serving's status tells it."""

from __future__ import annotations

import enum
from typing import NamedTuple

from eas_processor.link import codes


class Stage(enum.Enum):
    """
    The life of a version.

        START ──▶ LOADING ──▶ AVAILABLE ──▶ UNLOADING ──▶ END
                     └────────────────────────────────────▲
    """

    START = "START"
    """It is found, and waits to be loaded."""
    LOADING = "LOADING"
    AVAILABLE = "AVAILABLE"
    UNLOADING = "UNLOADING"
    """It takes no more calls, and finishes those it has."""
    END = "END"
    """It is unloaded, or could not be loaded."""


class VersionState(NamedTuple):
    """The stage of one version; with `code` (`link.codes`) and `message`, why it has failed."""

    stage: Stage
    code: int = codes.OK
    message: str = ""
