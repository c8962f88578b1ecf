"""Parses URLs of object stores."""

from __future__ import annotations

import re
from dataclasses import dataclass

from eas_processor.errors import ModelFetchError

_URL = re.compile(r"([A-Za-z0-9]+)://([^/]*)/?(.*)", re.DOTALL)
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Address:
    """The address of an object or a directory in an object store."""

    scheme: str
    bucket: str
    key: str
    """The key of an object or a directory, '' for the whole bucket. It is not unquoted."""
    endpoint: str = ""
    """The host in the URL, which only `oss://bucket.host/key` has."""

    def __str__(self) -> str:
        host = f".{self.endpoint}" if self.endpoint else ""
        return f"{self.scheme}://{self.bucket}{host}/{self.key}"

    def refusal(self, reason: str) -> ModelFetchError:
        """Return an error with the URL and the reason."""
        return ModelFetchError(f"{self}: {reason}")


def parse(named: str) -> Address:
    """Return the parts of a URL. Raises ModelFetchError if it is not valid."""
    matched = _URL.fullmatch(named)
    assert matched is not None
    scheme, place, key = matched[1].lower(), matched[2], matched[3]
    if "@" in place:
        raise ModelFetchError(
            f"{scheme}:// URLs cannot contain credentials: set them in the environment"
        )
    bucket, endpoint = place, ""
    if scheme == "oss":  # names of OSS buckets contain no dot
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
