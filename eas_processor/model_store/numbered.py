"""Finds the numbered directories of a model's versions."""

from __future__ import annotations

import logging
import re
from pathlib import Path

log = logging.getLogger("eas_processor")

_NUMBER = re.compile(r"[0-9]+")
_LARGEST = 2**63 - 1


def find_versions(base: Path) -> dict[int, Path]:
    """
    Return the directories of all versions in `base`, by number.

    Names may have leading zeros. If two names are the same number, the last in order is used. Other
    names are ignored. Raises OSError if `base` cannot be read.
    """
    found: dict[int, Path] = {}
    for path in sorted(base.iterdir()):
        if not _NUMBER.fullmatch(path.name) or int(path.name) > _LARGEST or not path.is_dir():
            continue
        number = int(path.name)
        if number in found:
            log.warning(
                "%s and %s are both version %d; the second is used", found[number], path, number
            )
        found[number] = path
    return found
