"""Converts answers with a status other than 200 to errors."""

from __future__ import annotations

import time
from email.utils import mktime_tz, parsedate_tz
from http import HTTPStatus
from typing import Mapping

from .exception import (
    Overloaded,
    PredictException,
    Refused,
    ServiceFailed,
    TimedOut,
    Unauthorized,
)

_BY_STATUS: dict[int, type[PredictException]] = {
    401: Unauthorized,
    403: Unauthorized,
    408: TimedOut,
    429: Overloaded,
    450: Overloaded,
}


def failure_of(status: int, headers: Mapping[str, str], body: bytes) -> PredictException:
    """Return the error for an answer with this `status`, for the caller to raise."""
    kind = _BY_STATUS.get(status) or (ServiceFailed if status >= 500 else Refused)
    failure = kind(status, body.decode("utf-8", "replace").strip() or _sentence(status, headers))
    failure.status = status
    failure.retry_after = _retry_after(_header(headers, "retry-after"))
    return failure


def _sentence(status: int, headers: Mapping[str, str]) -> str:
    """Return the message for an answer with an empty body."""
    if 300 <= status < 400:
        target = _header(headers, "location") or "another address"
        # Following it would send the token to an address that the user did not name.
        return f"the service redirects to {target}; set that as the endpoint if it is the right one"
    if status == 401:
        return (
            f"the token is missing or wrong (see set_token): the service answered {status} "
            "without an explanation"
        )
    try:
        return f"the service answered {status} {HTTPStatus(status).phrase} without an explanation"
    except ValueError:
        return f"the service answered {status} without an explanation"


def _retry_after(value: str | None) -> float | None:
    """Return the seconds to wait, from either form of the header: a number or a date."""
    if value is None:
        return None
    if value.strip().isdigit():
        return float(value)
    date = parsedate_tz(value)
    return max(0.0, mktime_tz(date) - time.time()) if date else None


def _header(headers: Mapping[str, str], name: str) -> str | None:
    return next((value for key, value in headers.items() if key.lower() == name), None)
