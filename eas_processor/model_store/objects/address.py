"""URLs of object stores, taken apart."""

from __future__ import annotations

import re
from dataclasses import dataclass

from eas_processor.errors import ModelFetchError

_URL = re.compile(r"([A-Za-z0-9]+)://([^/]*)/?(.*)", re.DOTALL)
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Address:
    """Where something lies in an object store."""

    scheme: str
    bucket: str
    key: str
    """Of an object or a directory, '' for the whole bucket; it is taken as it is written."""
    endpoint: str = ""
    """The host that the URL itself names, which only `oss://bucket.host/key` does."""

    def __str__(self) -> str:
        host = f".{self.endpoint}" if self.endpoint else ""
        return f"{self.scheme}://{self.bucket}{host}/{self.key}"

    def refusal(self, reason: str) -> ModelFetchError:
        """Return the error that says of which URL this is the reason."""
        return ModelFetchError(f"{self}: {reason}")


def parse(named: str) -> Address:
    """Return the parts of a URL; raises ModelFetchError for what is none."""
    matched = _URL.fullmatch(named)
    assert matched is not None
    scheme, place, key = matched[1].lower(), matched[2], matched[3]
    if "@" in place:
        raise ModelFetchError(
            f"{scheme}:// takes no credentials before an @; give them in the environment"
        )
    bucket, endpoint = place, ""
    if scheme == "oss":  # its buckets have no dot in their names
        bucket, _, endpoint = place.partition(".")
    if not _BUCKET.fullmatch(bucket):
        raise ModelFetchError(
            f"is not a URL of a bucket: expected {scheme}://bucket/key, got {scheme}://{place}"
        )
    if any(each in ("", ".", "..") for each in key.rstrip("/").split("/")) and key.strip("/"):
        raise ModelFetchError(f"{scheme}://{place}/{key}: a key with //, . or .. cannot be fetched")
    if not key.isprintable():
        raise ModelFetchError(f"{scheme}://{place}: the key has a character that is not printable")
    return Address(scheme, bucket, key if key.strip("/") else "", endpoint)
