"""Batching parameters, with the names that TensorFlow Serving's `BatchingParameters` has."""

from __future__ import annotations

import os
from dataclasses import dataclass, field


def _cores() -> int:
    return len(os.sched_getaffinity(0))


@dataclass(frozen=True)
class BatchingParameters:
    """The parameters of one model. Sizes are in rows, times in microseconds."""

    max_batch_size: int = 1000
    batch_timeout_micros: int = 0
    max_enqueued_batches: int = 10
    num_batch_threads: int = field(default_factory=_cores)
    thread_pool_name: str = "model_server_batch_threads"
    allowed_batch_sizes: tuple[int, ...] = ()
    pad_variable_length_inputs: bool = False
    enable_large_batch_splitting: bool = False
    max_execution_batch_size: int = 0
    """0 means `max_batch_size`."""

    @property
    def rows_a_run(self) -> int:
        """The most rows that one run may have."""
        splits = self.enable_large_batch_splitting
        return (splits and self.max_execution_batch_size) or self.max_batch_size
