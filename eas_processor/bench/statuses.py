"""The statuses of a protocol: their names, and which of them are good."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Statuses:
    """The status numbers of a protocol. Numbers without a name are shown as they are."""

    good: Container[int]
    names: Mapping[int, str] = field(default_factory=dict)

    def name(self, status: int) -> str:
        """Return the name of a status, or its number if it has no name."""
        return self.names.get(status, str(status))


HTTP = Statuses(range(200, 300))

_GRPC_NAMES = (
    *("OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND"),
    *("ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION"),
    *("ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"),
    "UNAUTHENTICATED",
)
GRPC = Statuses((0,), dict(enumerate(_GRPC_NAMES)))
