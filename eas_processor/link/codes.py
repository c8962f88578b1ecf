"""
Status codes: what can come of a call, the same on the link and in the engine.

They belong to no protocol: each frontend has one table from these to its own numbers. Those below
32 have the numbers that gRPC gives them.

    OK                  answered
    CANCELLED           nobody waits for the answer any more
    INVALID_ARGUMENT    the request is wrong, whatever the state of the model
    DEADLINE_EXCEEDED   not answered in time
    NOT_FOUND           no such service, version or route
    FAILED_PRECONDITION what the call asks for is not to be had in the model's present state
    UNIMPLEMENTED       the processor does not do this, such as an encoding that it does not know
    INTERNAL            a fault of this project, or of a processor that says nothing more of it
    UNAVAILABLE         no instance can answer now
    UNAUTHENTICATED     the token is missing or wrong
    QUEUE_FULL          every instance is busy and the queue, or the memory for bodies, is full
    RATE_LIMITED        more calls came than the service lets in
    TOO_LARGE           a body or an answer is larger than the engine holds
    MODEL_FAULT         the model fails for a reason that is not the request's
    PROCESSOR           a processor's own HTTP status, in the first two bytes of the payload
                        (little-endian), and its own body behind them
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
"""Errors of `eas_wire`, `codecs` and `tf` carry a name as `code`, so that they import nothing."""

NAMES: Dict[int, str] = {value: name for name, value in BY_NAME.items()}


def pack_status(status: int, body: bytes) -> bytes:
    """Return the payload of `PROCESSOR`."""
    return status.to_bytes(2, "little") + body


def unpack_status(payload: bytes) -> Tuple[int, bytes]:
    """Return the status and the body in the payload of `PROCESSOR`."""
    return int.from_bytes(payload[:2], "little"), payload[2:]
