"""Reads `--batching_parameters_file`, and `batching_params.pbtxt` of a version."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from eas_processor.config.batching import BatchingParameters
from eas_processor.config.text_protos.reading import read_message
from eas_processor.errors import ServiceFileError

OWN_FILE = "batching_params.pbtxt"
"""The name of the file with a version's own parameters, in the directory of its model."""

_WRAPPED = ("max_batch_size", "max_enqueued_batches", "num_batch_threads")


def read_batching(path: Path) -> BatchingParameters:
    """Return the parameters, with TensorFlow Serving's defaults. Raises ServiceFileError."""
    message = read_message(path, "tensorflow.serving.BatchingParameters")
    given: dict[str, Any] = {}
    for name in _WRAPPED:
        if message.HasField(name):
            given[name] = _number(path, name, getattr(message, name).value, least=1)
    if message.HasField("batch_timeout_micros"):
        timeout = message.batch_timeout_micros.value
        given["batch_timeout_micros"] = _number(path, "batch_timeout_micros", timeout, least=0)
    if message.HasField("thread_pool_name"):
        given["thread_pool_name"] = message.thread_pool_name.value
    given["pad_variable_length_inputs"] = message.pad_variable_length_inputs
    given["enable_large_batch_splitting"] = message.enable_large_batch_splitting.value
    if message.HasField("max_execution_batch_size"):
        size = message.max_execution_batch_size.value
        given["max_execution_batch_size"] = _number(path, "max_execution_batch_size", size, least=1)
    given["allowed_batch_sizes"] = tuple(message.allowed_batch_sizes)
    parameters = BatchingParameters(**given)
    _check_sizes(path, parameters)
    return parameters


def read_batching_of_version(
    directory: Path, shared: BatchingParameters
) -> BatchingParameters | None:
    """
    Return the parameters in a version's own file, None if it has no file and is not batched.

    The thread pool is that of `shared`, as in TensorFlow Serving. Raises ServiceFileError.
    """
    path = directory / OWN_FILE
    if not path.exists():
        return None
    return replace(
        read_batching(path),
        num_batch_threads=shared.num_batch_threads,
        thread_pool_name=shared.thread_pool_name,
    )


def _number(path: Path, name: str, value: int, *, least: int) -> int:
    if value < least:
        raise ServiceFileError(f"{path}: {name}: expected {least} or more, got {value}")
    return value


def _check_sizes(path: Path, parameters: BatchingParameters) -> None:
    splits = parameters.enable_large_batch_splitting
    most = parameters.rows_a_run
    if most > parameters.max_batch_size:
        raise ServiceFileError(
            f"{path}: max_execution_batch_size: expected at most max_batch_size, which is "
            f"{parameters.max_batch_size}, got {most}"
        )
    sizes = parameters.allowed_batch_sizes
    if not sizes:
        return
    if list(sizes) != sorted(set(sizes)) or sizes[0] < 1:
        raise ServiceFileError(
            f"{path}: allowed_batch_sizes: entries must be monotonically increasing, got "
            f"{list(sizes)}"
        )
    if sizes[-1] != most:
        name = "max_execution_batch_size" if splits else "max_batch_size"
        raise ServiceFileError(
            f"{path}: allowed_batch_sizes: the last entry must be {name}, which is {most}, got "
            f"{sizes[-1]}"
        )
