"""How to reach a bucket: endpoint, region and credentials."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from eas_processor.errors import ModelFetchError
from eas_processor.model_store.objects.address import Address


@dataclass(frozen=True)
class Hints:
    """The keys of a service file that describe its object store."""

    oss_endpoint: str = ""
    region: str = ""


@dataclass(frozen=True)
class Credentials:
    """The credentials of requests. `source` says where they were found, for errors."""

    key_id: str = field(repr=False)
    secret: str = field(repr=False)
    token: str = field(repr=False)
    source: str


@dataclass(frozen=True)
class Access:
    """How to reach a bucket."""

    advice: str
    """The end of an error: how to give credentials."""
    endpoint: str = ""
    """A URL with http:// or https://, '' for the library's default."""
    region: str = ""
    virtual_hosted: bool = False
    """Whether the bucket is part of the host name, not of the path."""
    credentials: Credentials | None = None
    """None for requests that are not signed."""
    options: dict[str, str] = field(default_factory=dict)
    """Options of the library's store."""
    by_library: bool = False
    """Whether the library finds the credentials, by `options` or the environment."""
    certificates: str = ""
    """The path of a file with further CA certificates."""


OfAddress = Callable[[Address, Hints], Access]


def from_environment(*names: str) -> Credentials | None:
    """
    Return the credentials in the environment variables of a key, its secret and its token, if set.

    Raises ModelFetchError if only one of key and secret is set.
    """
    key_id, secret, token = (os.environ.get(name, "").strip() for name in names)
    if bool(key_id) != bool(secret):
        there, lacks = names[:2] if key_id else names[1::-1]
        raise ModelFetchError(f"{there} is set and {lacks} is not: set both")
    source = f"the environment ({names[0]})"
    return Credentials(key_id, secret, token, source) if key_id else None


def as_url(endpoint: str, named_by: str) -> str:
    """Return the URL of an endpoint, with https if it has no scheme. Raises ModelFetchError."""
    url = endpoint if "://" in endpoint else f"https://{endpoint}"
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
        is_whole = parts.scheme in ("http", "https") and host and not (parts.query or "@" in url)
    except ValueError:
        is_whole = False
    if not is_whole or not url.isascii() or not url.isprintable() or " " in url:
        raise ModelFetchError(
            f"{named_by}: expected a host or an http(s) URL, got {endpoint.rpartition('@')[2]!r}"
        )
    return url.rstrip("/")


def has_subdomains(url: str) -> bool:
    """Tell whether the host can have subdomains for buckets: not an IP address or localhost."""
    host = urlsplit(url).hostname or ""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return "." in host
    return False
