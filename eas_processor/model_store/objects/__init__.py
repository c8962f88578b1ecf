"""Models in object stores (oss://, s3:// and gs://), fetched with the library obstore."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from eas_processor.model_store.objects import gs, oss, s3
from eas_processor.model_store.objects.access import Access, Hints, OfAddress
from eas_processor.model_store.objects.address import Address, parse
from eas_processor.model_store.objects.bucket import Bucket, check_library
from eas_processor.model_store.objects.copy import bring

SCHEMES: dict[str, OfAddress] = {"oss": oss.access, "s3": s3.access, "gs": gs.access}
"""The functions that return the access of an address, by the scheme of its URL."""


def check_objects(named: str, hints: Hints) -> None:
    """Check the URL and the settings of this machine. Raises ModelFetchError."""
    _reach(named, hints)


def fetch_objects(named: str, hints: Hints, *, progress: bool, note: Callable[[str], None]) -> Path:
    """
    Return the path of an up-to-date local copy of an object or of a directory of objects.

    Only changed objects are fetched. If the store cannot be reached, an older copy is returned, and
    `note` is called with a warning. A directory is kept at least until this process ends. Raises
    ModelFetchError.
    """
    address, access = _reach(named, hints)
    return bring(Bucket(address, access), progress=progress, note=note)


def _reach(named: str, hints: Hints) -> tuple[Address, Access]:
    address = parse(named)
    check_library(address)
    return address, SCHEMES[address.scheme](address, hints)
