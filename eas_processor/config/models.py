"""What a configuration of models says, in the words of TensorFlow Serving's `ModelServerConfig`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Latest:
    """The versions with the highest numbers, as many as `count`."""

    count: int = 1


@dataclass(frozen=True)
class All:
    """Every version that is there."""


@dataclass(frozen=True)
class Specific:
    """These versions, as long as they are there."""

    versions: tuple[int, ...]


Policy = Latest | All | Specific


@dataclass(frozen=True)
class RequestLog:
    """Where requests are logged, and what share of them, from 0 to 1."""

    prefix: str
    sampling_rate: float


@dataclass(frozen=True)
class ModelConfig:
    """One model: the directory of its versions, which of them are served, and their labels."""

    name: str
    base_path: Path
    policy: Policy = Latest()
    labels: dict[str, int] = field(default_factory=dict)
    request_log: RequestLog | None = None
