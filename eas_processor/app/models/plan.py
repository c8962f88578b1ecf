"""Makes the settings of a model's version from its directory."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eas_processor.builds.find import Build, find_build
from eas_processor.builds.gpu import Wanted
from eas_processor.builds.worker_code import worker_code_directory
from eas_processor.config.batching import BatchingParameters
from eas_processor.config.models import ModelConfig
from eas_processor.contracts.settings import ServiceSettings, WorkerSettings

_NO_LIMIT = 2**31 - 1
_FEWEST_THREADS = 5
_MOST_TOGETHER = 1024
"""The most requests in one run. Each has at least one row."""


@dataclass(frozen=True)
class VersionPlan:
    """
    Makes the settings of versions. Call it with a model, the number and the directory.

    `session` has keys of the TensorFlow processor's `model_config`. `timeout` is the limit of a
    call in seconds. Without `batching`, each request runs alone. With `batching_of_version`, the
    parameters come from the version's own file, and without that file each request runs alone.
    """

    processor: str = "tensorflow_cpu"
    timeout: float = 30.0
    session: dict[str, Any] = field(default_factory=dict)
    batching: BatchingParameters | None = None
    batching_of_version: bool = False

    def __call__(self, model: ModelConfig, number: int, directory: Path) -> ServiceSettings:
        """Return the settings of a version. Raises SetupError; runs in a thread."""
        build = find_build(self.processor, Wanted())
        batching, most = self._batching_in(directory), _NO_LIMIT
        if batching is not None:
            # A request has at least one row, so this many requests fill the allowed batches.
            most = min(most, batching.max_enqueued_batches * batching.rows_a_run)
        return ServiceSettings(
            name=model.name,
            token="",
            worker=self._worker(build, model, number, directory.resolve(), batching),
            keepalive=self.timeout,
            max_queue_size=most,
        )

    def _batching_in(self, directory: Path) -> BatchingParameters | None:
        if self.batching is None or not self.batching_of_version:
            return self.batching
        # Here for protobuf, which takes 30 ms to import.
        from eas_processor.config.text_protos.batching_config import read_batching_of_version

        return read_batching_of_version(directory, self.batching)

    def _worker(
        self,
        build: Build,
        model: ModelConfig,
        number: int,
        directory: Path,
        batching: BatchingParameters | None,
    ) -> WorkerSettings:
        config = build.gpus.model_config | self.session
        if (log_of := model.request_log) is not None:
            config |= {
                "request_log": {
                    "prefix": log_of.prefix,
                    "sampling_rate": log_of.sampling_rate,
                    "model": model.name,
                    "version": number,
                }
            }
        if batching is not None:
            config |= _keys_of(batching)
        return WorkerSettings(
            build=build.name,
            python=build.python,
            code=worker_code_directory(),
            hooks=build.hooks,
            model_entry=directory,
            model_config=json.dumps(config),
            threads=(
                max(_FEWEST_THREADS, len(os.sched_getaffinity(0)))
                if batching is None
                else min(batching.num_batch_threads, _MOST_TOGETHER)
            ),
            batch_size=1 if batching is None else min(batching.rows_a_run, _MOST_TOGETHER),
            batch_wait=0.0 if batching is None else batching.batch_timeout_micros / 1e6,
            environment=build.gpus.environment,
            gpus=build.gpus.names,
            gpus_each=build.gpus.each,
        )


def _keys_of(batching: BatchingParameters) -> dict[str, Any]:
    """Return the keys of `model_config` for batching parameters, without empty values."""
    splits = batching.enable_large_batch_splitting
    keys = {
        "max_batch_rows": batching.rows_a_run,
        "refuse_scalar_inputs": True,
        "max_request_rows": 0 if splits else batching.max_batch_size,
        "enable_large_batch_splitting": splits,
        "pad_variable_length_inputs": batching.pad_variable_length_inputs,
        "allowed_batch_sizes": list(batching.allowed_batch_sizes),
    }
    return {name: value for name, value in keys.items() if value}
