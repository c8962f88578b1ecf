"""The configuration of models, with the names that TensorFlow Serving's `ModelServerConfig` has."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Latest:
    """Serve the `count` versions with the highest numbers."""

    count: int = 1


@dataclass(frozen=True)
class All:
    """Serve every version in the directory."""


@dataclass(frozen=True)
class Specific:
    """Serve these versions, while the directory has them."""

    versions: tuple[int, ...]


Policy = Latest | All | Specific


@dataclass(frozen=True)
class RequestLog:
    """The path prefix of request logs, and the share of requests to log, from 0 to 1."""

    prefix: str
    sampling_rate: float


@dataclass(frozen=True)
class ModelConfig:
    """One model: the directory of its versions, the policy that selects them, and their labels."""

    name: str
    base_path: Path
    policy: Policy = Latest()
    labels: dict[str, int] = field(default_factory=dict)
    request_log: RequestLog | None = None
