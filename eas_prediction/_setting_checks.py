"""Checks of the settings of a client, which run when a setting is set."""

from __future__ import annotations

import re
from typing import Any, Callable, Mapping, Tuple

from ._checks import count, headers, milliseconds, text
from ._endpoint import ENDPOINT_TYPES, TYPE_NAMES
from ._retry import RetryPolicy
from .exception import InvalidRequest

# Blanks are allowed, because with a custom_url it may be `Bearer ...`.
_TOKEN = re.compile(r"[ -~]*")

_Check = Tuple[str, Callable[[str, Any], Any]]


def service_name(what: str, value: Any) -> str:
    """Check the name of a service, and remove pasted blanks and slashes before it."""
    if not isinstance(value, str):
        raise InvalidRequest(f"{what}: expected a str such as 'mnist', got {value!r}")
    return value.strip().lstrip("/")


def address(what: str, value: Any) -> str:
    """Check an address, and remove blanks around it; None becomes ''."""
    return text(what, value).strip()


def token(what: str, value: Any) -> str:
    """Check a token, and remove a line break at its end."""
    if value is not None and not isinstance(value, str):
        # A token is a secret, so errors describe it without showing it.
        hint = "; decode() it" if isinstance(value, bytes) else ""
        raise InvalidRequest(f"{what}: expected a str, got {type(value).__name__}{hint}")
    trimmed = (value or "").strip()
    if not _TOKEN.fullmatch(trimmed):
        at = next(i for i, each in enumerate(trimmed) if not _TOKEN.fullmatch(each))
        raise InvalidRequest(
            f"{what}: expected printable ASCII, got {_kind(trimmed[at])} after {at} characters"
        )
    return trimmed


def endpoint_type(what: str, value: Any) -> str:
    """Check that the value is one of the `ENDPOINT_TYPE_` constants."""
    if value is None:
        return ""
    if not isinstance(value, str) or value not in ENDPOINT_TYPES:
        raise InvalidRequest(f"{what}: expected {TYPE_NAMES}, got {value!r}")
    return value


def retry_policy(what: str, value: Any) -> RetryPolicy:
    """Check that the value is a `RetryPolicy`, and not a number of attempts."""
    if not isinstance(value, RetryPolicy):
        raise InvalidRequest(f"{what}: expected a RetryPolicy, got {value!r}")
    return value


def transport(what: str, value: Any) -> Any:
    """Check that the value is a `Transport`, or an object with its methods."""
    if not hasattr(value, "send") or isinstance(value, type):
        raise InvalidRequest(
            f"{what}: expected a transport such as PooledTransport(), got {value!r}"
        )
    return value


def _kind(character: str) -> str:
    return "a line break" if character in "\r\n" else "another character"


SETTINGS: Mapping[str, _Check] = {
    "content_type": ("content type", text),
    "custom_url": ("custom_url", address),
    "endpoint_name": ("endpoint", address),
    "endpoint_type": ("endpoint type", endpoint_type),
    "headers": ("headers", headers),
    "max_connection_count": ("max_connection_count", count),
    "retry_policy": ("retry policy", retry_policy),
    "service_name": ("service name", service_name),
    "timeout": ("timeout", milliseconds),
    "token": ("token", token),
    "transport": ("transport", transport),
}
"""The name of each setting in errors, and its check, by attribute."""
