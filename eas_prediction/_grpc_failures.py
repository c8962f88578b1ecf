"""Converts gRPC statuses other than OK to errors of this package."""

from __future__ import annotations

from typing import Any

from .exception import (
    ConnectionLost,
    Overloaded,
    PredictException,
    Refused,
    ServiceFailed,
    TimedOut,
    Unauthorized,
)

# The HTTP statuses are those of the same failure elsewhere in this package, or those that gateways
# from HTTP to gRPC use.
_KINDS: dict[str, tuple[type[PredictException], int]] = {
    "CANCELLED": (ConnectionLost, 499),
    "INVALID_ARGUMENT": (Refused, 400),
    "DEADLINE_EXCEEDED": (TimedOut, 408),
    "NOT_FOUND": (Refused, 404),
    "ALREADY_EXISTS": (Refused, 409),
    "PERMISSION_DENIED": (Unauthorized, 403),
    "RESOURCE_EXHAUSTED": (Overloaded, 429),
    "FAILED_PRECONDITION": (Refused, 400),
    "ABORTED": (Refused, 409),
    "OUT_OF_RANGE": (Refused, 400),
    "UNIMPLEMENTED": (Refused, 404),
    "UNAVAILABLE": (ServiceFailed, 503),
    "UNAUTHENTICATED": (Unauthorized, 401),
}
_OTHERS = (ServiceFailed, 500)

UNAVAILABLE = 503

_CANNOT_SAY = ("UNKNOWN", "INVALID_ARGUMENT", "FAILED_PRECONDITION", "UNIMPLEMENTED", "INTERNAL")


def failure_of(error: Any) -> PredictException:
    """Return the error for a `grpc.RpcError`, for the caller to raise."""
    name = error.code().name
    kind, status = _KINDS.get(name, _OTHERS)
    message = error.details() or f"the service answered {name} without an explanation"
    failure = kind(status, message)
    failure.status = status
    failure.grpc_status = name
    return failure


def closed() -> ConnectionLost:
    """Return the error of a call whose client was closed before its answer."""
    failure = ConnectionLost(499, "the client was closed before the answer")
    failure.status = 499
    failure.grpc_status = "CANCELLED"
    return failure


def is_without_metadata(failure: PredictException) -> bool:
    """Whether `Predict` may succeed although `GetModelMetadata` was refused."""
    return failure.grpc_status in _CANNOT_SAY


def may_be_outdated(failure: PredictException) -> bool:
    """Whether the remembered signature may be the reason of a refused `Predict`."""
    return failure.grpc_status == "INVALID_ARGUMENT"
