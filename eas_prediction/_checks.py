"""Checks of callers' values. Each returns the value, or raises `InvalidRequest`."""

from __future__ import annotations

from numbers import Real
from operator import index
from typing import Any, Mapping

from .exception import InvalidRequest

# Sockets and locks fail with more than 9.2e9 s.
_LONGEST_MS = 1e12


class WrongType(InvalidRequest, TypeError):
    """A setting of the wrong type, for which the vendor's client raises `TypeError`."""


def milliseconds(what: str, value: Any) -> Any:
    """Check a time in milliseconds."""
    if _is_number(value) and 0 < value < _LONGEST_MS:
        return value
    raise InvalidRequest(f"{what}: expected milliseconds above 0, got {value!r}")


def seconds(what: str, value: Any) -> Any:
    """Check a time in seconds; None means no limit."""
    if value is None:
        return None
    if _is_number(value) and 0 < value < _LONGEST_MS / 1000:
        return value
    raise InvalidRequest(f"{what}: expected seconds above 0, or None, got {value!r}")


def count(what: str, value: Any, least: int = 1) -> int:
    """Check a whole number that is `least` or more."""
    try:
        number = index(value)
    except TypeError:
        number = None
    if number is None or isinstance(value, bool):
        raise InvalidRequest(f"{what}: expected a whole number, {least} or more, got {value!r}")
    if number < least:
        raise InvalidRequest(f"{what}: expected {least} or more, got {number}")
    return number


def headers(what: str, value: Any) -> dict[str, Any]:
    """Check headers by name, and return a new dict."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise WrongType(f"{what}: expected a dict, got {type(value).__name__}")
    for name, text in value.items():
        # Neither client can send these. `request_head` checks for line breaks.
        if not isinstance(name, str) or not name:
            raise WrongType(f"{what}: expected names that are str, got {name!r}")
        if not isinstance(text, (str, bytes, int)) or isinstance(text, bool):
            raise WrongType(f"{what}: expected a str for {name!r}, got {type(text).__name__}")
    return dict(value)


def names(what: str, value: Any) -> list[str]:
    """Check several names. A single str is refused, because it would be a list of its letters."""
    found = None if isinstance(value, (str, bytes)) or value is None else value
    try:
        found = list(found)  # type: ignore[arg-type]
    except TypeError:
        raise InvalidRequest(f"{what}: expected names such as ['scores'], got {value!r}") from None
    return [name(what, each) for each in found]


def name(what: str, value: Any) -> str:
    """Check the name of an input or an output."""
    if isinstance(value, str) and value:
        return value
    raise InvalidRequest(f"{what}: expected a non-empty str, got {value!r}")


def requests(value: Any) -> list[Any]:
    """Check several requests or dicts of arrays. A single one is refused."""
    if not isinstance(value, (str, bytes, Mapping)):
        try:
            return list(value)
        except TypeError:
            pass
    raise InvalidRequest(f"predict_many() takes a list of requests, got {type(value).__name__}")


def text(what: str, value: Any) -> str:
    """Check a str; None becomes ''."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InvalidRequest(f"{what}: expected a str, got {value!r}")
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)
