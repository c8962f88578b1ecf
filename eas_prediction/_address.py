"""Parses the address of a service and of a proxy."""

from __future__ import annotations

from base64 import b64encode
from functools import lru_cache
from typing import Mapping, NamedTuple
from urllib.parse import unquote

from urllib3 import exceptions as http_errors
from urllib3.util import Url, parse_url

from .exception import InvalidRequest


class Address(NamedTuple):
    """The parts of a URL; `authority` is the value of the `Host` header."""

    scheme: str
    host: str
    port: int | None
    target: str
    authority: str


@lru_cache(maxsize=256)
def split_url(url: str) -> Address:
    """Return the parts of a URL. Raises `InvalidRequest` if it cannot be called."""
    try:
        parts = parse_url(url)
    except http_errors.LocationParseError:
        parts = Url()
    if parts.scheme not in ("http", "https") or not parts.host:
        raise InvalidRequest(f"expected an address such as http://127.0.0.1:8080, got {url!r}")
    authority = parts.host if parts.port is None else f"{parts.host}:{parts.port}"
    # The brackets of an IPv6 address belong to the authority, not to the address.
    host = parts.host.strip("[]")
    return Address(parts.scheme, host, parts.port, parts.request_uri, authority)


class Proxy(NamedTuple):
    """An HTTP proxy, and the headers for it."""

    host: str
    port: int
    headers: Mapping[str, str]


def proxy_of(address: str) -> Proxy:
    """Parse `http://user:password@host:port`. Raises `InvalidRequest`."""
    try:
        parts = parse_url(address) if isinstance(address, str) else Url()
    except http_errors.LocationParseError:
        parts = Url()
    if parts.scheme != "http" or not parts.host:
        # The part before an @ may be a password, as in `https://user:password@host:3128`.
        shown = address.rpartition("@")[2] if isinstance(address, str) else address
        raise InvalidRequest(f"proxy: expected an address such as http://host:3128, got {shown!r}")
    headers = {}
    if parts.auth:
        credentials = b64encode(unquote(parts.auth).encode()).decode()
        headers["Proxy-Authorization"] = f"Basic {credentials}"
    return Proxy(parts.host.strip("[]"), parts.port or 80, headers)
