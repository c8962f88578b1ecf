"""The status numbers and texts of gRPC, for each status code."""

from __future__ import annotations

from eas_processor.contracts.refusals import Refusal
from eas_processor.frontends.tfs_statuses import text_of
from eas_processor.link import codes

STATUSES = {
    codes.OK: 0,
    codes.CANCELLED: 1,
    codes.PROCESSOR: 2,
    codes.INVALID_ARGUMENT: 3,
    codes.DEADLINE_EXCEEDED: 4,
    codes.NOT_FOUND: 5,
    codes.RATE_LIMITED: 8,
    codes.TOO_LARGE: 8,
    codes.FAILED_PRECONDITION: 9,
    codes.UNIMPLEMENTED: 12,
    codes.INTERNAL: 13,
    codes.MODEL_FAULT: 13,
    codes.QUEUE_FULL: 14,
    codes.UNAVAILABLE: 14,
    codes.UNAUTHENTICATED: 16,
}

_LONGEST_TEXT = 1024
"""TensorFlow Serving cuts texts at the same length, because header lists are limited."""


def shown(text: bytes | str) -> str:
    """Return a text as a status carries it: decoded, and cut off if it is long."""
    if isinstance(text, bytes):
        text = text.decode(errors="replace")
    return text if len(text) <= _LONGEST_TEXT else text[:_LONGEST_TEXT] + "...TRUNCATED"


def refusal_text(refusal: Refusal) -> str:
    """Return the text of a refusal, in TensorFlow Serving's words if clients compare them."""
    return shown(text_of(refusal))
