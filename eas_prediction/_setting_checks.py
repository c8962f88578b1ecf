"""What each setting of a client may be; anything else is refused when it is set."""

from __future__ import annotations

import re
from typing import Any, Callable, Mapping, Tuple

from ._checks import count, headers, milliseconds, text
from ._endpoint import ENDPOINT_TYPES, TYPE_NAMES
from ._retry import RetryPolicy
from .exception import InvalidRequest

# Blanks inside: with a custom_url it may be `Bearer ...`.
_TOKEN = re.compile(r"[ -~]*")

_Check = Tuple[str, Callable[[str, Any], Any]]


def service_name(what: str, value: Any) -> str:
    """The name of a service, with what follows it; blanks and slashes around it are pasted."""
    if not isinstance(value, str):
        raise InvalidRequest(f"{what}: expected a str such as 'mnist', got {value!r}")
    return value.strip().lstrip("/")


def address(what: str, value: Any) -> str:
    """An address, without the blanks around it; None stands for none."""
    return text(what, value).strip()


def token(what: str, value: Any) -> str:
    """A token, without the line break that a file or a terminal ends it with."""
    if value is not None and not isinstance(value, str):
        # It is a secret: what is wrong with it is said, not what it is.
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
    """One of the `ENDPOINT_TYPE_` constants."""
    if value is None:
        return ""
    if not isinstance(value, str) or value not in ENDPOINT_TYPES:
        raise InvalidRequest(f"{what}: expected {TYPE_NAMES}, got {value!r}")
    return value


def retry_policy(what: str, value: Any) -> RetryPolicy:
    """A policy; a number of attempts is none."""
    if not isinstance(value, RetryPolicy):
        raise InvalidRequest(f"{what}: expected a RetryPolicy, got {value!r}")
    return value


def transport(what: str, value: Any) -> Any:
    """What carries requests: a `Transport`, or what has its methods."""
    if not hasattr(value, "send") or isinstance(value, type):
        raise InvalidRequest(f"{what}: expected one such as PooledTransport(), got {value!r}")
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
"""What a setting is called in an error, and its check, by attribute."""
