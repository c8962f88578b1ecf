"""The HTTP statuses of TensorFlow Serving, and the names of its codes, for what comes of a call."""

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
"""What the codes are called that it does not have; the others have their own names."""

_TEXTS = {
    DeadlineExceeded: b"Timed out waiting for notification",
    QueueFull: b"The batch scheduling queue to which this task was submitted is full",
}


def name_of(code: int) -> str:
    """Return the name that clients know."""
    return NAMES.get(code) or codes.NAMES[code]


def status_of(refusal: Refusal) -> int:
    """Return the status of a refusal, which HTTP itself may have a number of its own for."""
    return refusal.status if isinstance(refusal, HttpRefusal) else STATUSES[refusal.code]


def text_of(refusal: Refusal) -> bytes:
    """Return the sentence of a refusal: in TensorFlow Serving's words, where clients match them."""
    return _TEXTS.get(type(refusal)) or str(refusal).encode()
