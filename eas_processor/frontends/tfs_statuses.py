"""The HTTP statuses and code names of TensorFlow Serving, for each status code."""

from __future__ import annotations

from eas_processor.contracts.refusals import DeadlineExceeded, QueueFull, Refusal
from eas_processor.frontends.http.refusals import HttpRefusal
from eas_processor.link import codes

STATUSES = {
    codes.OK: 200,
    codes.INVALID_ARGUMENT: 400,
    codes.FAILED_PRECONDITION: 400,
    codes.UNAUTHENTICATED: 401,
    codes.NOT_FOUND: 404,
    codes.TOO_LARGE: 413,
    codes.RATE_LIMITED: 429,
    codes.CANCELLED: 499,
    codes.MODEL_FAULT: 500,
    codes.INTERNAL: 500,
    codes.UNIMPLEMENTED: 501,
    codes.QUEUE_FULL: 503,
    codes.UNAVAILABLE: 503,
    codes.DEADLINE_EXCEEDED: 504,
}

NAMES = {
    codes.TOO_LARGE: "RESOURCE_EXHAUSTED",
    codes.RATE_LIMITED: "RESOURCE_EXHAUSTED",
    codes.QUEUE_FULL: "UNAVAILABLE",
    codes.MODEL_FAULT: "INTERNAL",
    codes.PROCESSOR: "UNKNOWN",
}
"""The names for codes that TensorFlow Serving does not have. The others keep their own names."""

_TEXTS = {
    DeadlineExceeded: b"Timed out waiting for notification",
    QueueFull: b"The batch scheduling queue to which this task was submitted is full",
}


def name_of(code: int) -> str:
    """Return TensorFlow Serving's name for a code."""
    return NAMES.get(code) or codes.NAMES[code]


def status_of(refusal: Refusal) -> int:
    """Return the HTTP status of a refusal."""
    return refusal.status if isinstance(refusal, HttpRefusal) else STATUSES[refusal.code]


def text_of(refusal: Refusal) -> bytes:
    """Return the text of a refusal, in TensorFlow Serving's words if clients compare them."""
    return _TEXTS.get(type(refusal)) or str(refusal).encode()
