"""The vendor's package, which has the same import name."""

from __future__ import annotations

import logging
from functools import lru_cache
from pathlib import Path

logger = logging.getLogger("eas_prediction")


@lru_cache(maxsize=1)
def warn_if_installed() -> None:
    """Say, once, that the vendor's package is installed too."""
    from importlib import metadata

    try:
        vendors = metadata.distribution("eas-prediction")
    except metadata.PackageNotFoundError:
        return
    where = Path(str(vendors.locate_file("eas_prediction"))).resolve()
    mixed = where == Path(__file__).resolve().parent
    logger.warning(
        "the vendor's package eas-prediction %s is installed %s, under the same import name: run "
        "`pip uninstall eas-prediction`%s",
        vendors.version,
        "in the same directory as this one" if mixed else f"too ({where})",
        ", then install this one again with `pip install --force-reinstall --no-deps`"
        if mixed
        else "",
    )
