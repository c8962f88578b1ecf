"""Warns if the vendor's package, which has the same import name, is installed."""

from __future__ import annotations

import logging
import re
import sys
from functools import lru_cache
from pathlib import Path

logger = logging.getLogger("eas_prediction")

# `eas_prediction-0.36.dist-info`, `eas_prediction-0.36-py3.7.egg-info`
_NAME = re.compile(r"-|\.dist-|\.egg-")


@lru_cache(maxsize=1)
def warn_if_installed() -> None:
    """Log once that the vendor's package is installed too."""
    # Not `importlib.metadata`, which Python 3.7 lacks.
    found = (
        information
        for entry in sys.path
        for information in Path(entry).glob("eas_prediction-*.*-info")
    )
    information = next(found, None)
    if information is None:
        return
    where = (information.parent / "eas_prediction").resolve()
    mixed = where == Path(__file__).resolve().parent
    logger.warning(
        "the vendor's package eas-prediction %s is installed %s, under the same import name: run "
        "`pip uninstall eas-prediction`%s",
        _NAME.split(information.name)[1],
        "in the same directory as this one" if mixed else f"too ({where})",
        ", then install this one again with `pip install --force-reinstall --no-deps`"
        if mixed
        else "",
    )
