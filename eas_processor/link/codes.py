"""
The status codes of calls, on the link and in the engine.

They belong to no protocol: each frontend has one table that maps them to its own statuses. Codes
below 32 have the same numbers as in gRPC.

    OK                  the call was answered
    CANCELLED           the client no longer waits for the answer
    INVALID_ARGUMENT    the request is wrong, whatever the state of the model
    DEADLINE_EXCEEDED   the call was not answered in time
    NOT_FOUND           there is no such service, version or route
    FAILED_PRECONDITION the model's present state does not allow the call
    UNIMPLEMENTED       the processor does not support this, such as the encoding of the request
    INTERNAL            this project failed, or a processor failed without a code of its own
    UNAVAILABLE         no instance can answer now
    UNAUTHENTICATED     the token is missing or wrong
    QUEUE_FULL          every instance is busy, and the queue or the memory for bodies is full
    RATE_LIMITED        more calls arrived than the service admits
    TOO_LARGE           a body or an answer exceeds the engine's limit
    MODEL_FAULT         the model failed, and the request is not the cause
    PROCESSOR           the processor chose an HTTP status: the first two bytes of the payload are
                        that status (little-endian), and its body follows
"""

from typing import Dict, Tuple

OK = 0
CANCELLED = 1
INVALID_ARGUMENT = 3
DEADLINE_EXCEEDED = 4
NOT_FOUND = 5
FAILED_PRECONDITION = 9
UNIMPLEMENTED = 12
INTERNAL = 13
UNAVAILABLE = 14
UNAUTHENTICATED = 16
QUEUE_FULL = 32
RATE_LIMITED = 33
TOO_LARGE = 34
MODEL_FAULT = 35
PROCESSOR = 36

BY_NAME: Dict[str, int] = {
    name: value for name, value in sorted(globals().items()) if name.isupper() and name != "BY_NAME"
}
"""Codes by name. Errors of `eas_wire`, `codecs` and `tf` have a name as `code`."""

NAMES: Dict[int, str] = {value: name for name, value in BY_NAME.items()}


def pack_status(status: int, body: bytes) -> bytes:
    """Return the payload of a `PROCESSOR` answer."""
    return status.to_bytes(2, "little") + body


def unpack_status(payload: bytes) -> Tuple[int, bytes]:
    """Return the HTTP status and the body in the payload of a `PROCESSOR` answer."""
    return int.from_bytes(payload[:2], "little"), payload[2:]
