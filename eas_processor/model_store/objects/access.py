"""How a bucket is reached: its endpoint, and who asks."""

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
    """What a service file says of its object store."""

    oss_endpoint: str = ""
    region: str = ""


@dataclass(frozen=True)
class Credentials:
    """Who asks; `source` says where the secret was found."""

    key_id: str = field(repr=False)
    secret: str = field(repr=False)
    token: str = field(repr=False)
    source: str


@dataclass(frozen=True)
class Access:
    """How a bucket is reached."""

    how_to_give: str
    """A sentence's end: where credentials are looked for."""
    endpoint: str = ""
    """With http:// or https://; '' for the library's own."""
    region: str = ""
    virtual_hosted: bool = False
    """Whether the bucket is a part of the host's name, not of the path."""
    credentials: Credentials | None = None
    """None for nobody: the requests are not signed."""
    options: dict[str, str] = field(default_factory=dict)
    """Of the library. With them it finds credentials itself, by what they or the environment ask
    for."""
    of_library: bool = False
    """Whether the library finds the credentials."""
    certificates: str = ""
    """A file of further certificate authorities."""


OfAddress = Callable[[Address, Hints], Access]


def from_environment(*names: str) -> Credentials | None:
    """
    Return what the environment variables of a key, its secret and its token hold, if it is there.

    Raises ModelFetchError for one half of a pair.
    """
    key_id, secret, token = (os.environ.get(name, "").strip() for name in names)
    if bool(key_id) != bool(secret):
        there, lacks = names[:2] if key_id else names[1::-1]
        raise ModelFetchError(f"{there} is set and {lacks} is not")
    source = f"the environment ({names[0]})"
    return Credentials(key_id, secret, token, source) if key_id else None


def as_url(endpoint: str, named_by: str) -> str:
    """Return an endpoint with its scheme, https if it has none; raises ModelFetchError."""
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
    """Tell whether a bucket's name can be put before a host: not before an IP, not on localhost."""
    host = urlsplit(url).hostname or ""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return "." in host
    return False
