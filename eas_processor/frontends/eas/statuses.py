"""The HTTP statuses of PAI-EAS, for each status code."""

from __future__ import annotations

from eas_processor.contracts.refusals import Refusal
from eas_processor.frontends.http.refusals import HttpRefusal
from eas_processor.link import codes

STATUSES = {
    codes.OK: 200,
    codes.INVALID_ARGUMENT: 400,
    codes.UNAUTHENTICATED: 401,
    codes.NOT_FOUND: 404,
    codes.FAILED_PRECONDITION: 400,
    codes.DEADLINE_EXCEEDED: 408,
    codes.TOO_LARGE: 413,
    codes.UNIMPLEMENTED: 415,
    codes.RATE_LIMITED: 429,
    codes.QUEUE_FULL: 450,
    codes.CANCELLED: 499,
    codes.MODEL_FAULT: 500,
    codes.INTERNAL: 500,
    codes.UNAVAILABLE: 503,
}


def status_of(refusal: Refusal) -> int:
    """Return the HTTP status of a refusal."""
    return refusal.status if isinstance(refusal, HttpRefusal) else STATUSES[refusal.code]
