"""The access to Google Cloud Storage."""

from __future__ import annotations

import os
from pathlib import Path

from eas_processor.errors import ModelFetchError
from eas_processor.model_store.objects.access import Access, Hints, as_url
from eas_processor.model_store.objects.address import Address
from eas_processor.model_store.objects.settings_file import place_of

_HOW = (
    "set GOOGLE_APPLICATION_CREDENTIALS to a file with a key, "
    "or run `gcloud auth application-default login`"
)
_KEY = "GOOGLE_APPLICATION_CREDENTIALS"


def access(address: Address, hints: Hints) -> Access:
    """Return the access to a bucket of Google Cloud Storage. Raises ModelFetchError."""
    named = os.environ.get("STORAGE_EMULATOR_HOST", "").strip()
    url = named if "://" in named or not named else f"http://{named}"
    options = {"base_url": as_url(url, "STORAGE_EMULATOR_HOST")} if url else {}
    key = place_of(_KEY, ".config", "gcloud", "application_default_credentials.json")
    if directory := os.environ.get("CLOUDSDK_CONFIG", ""):
        key = place_of(_KEY, str(Path(directory) / "application_default_credentials.json"))
    if key is not None and key.is_file():
        options["application_credentials"] = str(key)
    elif os.environ.get(_KEY):
        raise ModelFetchError(f"{_KEY} is {str(key)!r}, which is not a file")
    # The metadata server of a machine at Google is asked only if its address is set.
    asked = "application_credentials" in options or bool(os.environ.get("GCE_METADATA_HOST"))
    return Access(_HOW, options.get("base_url", ""), options=options, by_library=asked)
