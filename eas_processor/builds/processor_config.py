"""The settings that the TensorFlow processor gets beside the model_config of the service file."""

from __future__ import annotations

import json
from typing import Any

from eas_processor.errors import BuildError

# DeepRec's keys of variables that OpenMP reads when TensorFlow is imported.
_ENVIRONMENT = {"omp_num_threads": "OMP_NUM_THREADS", "kmp_blocktime": "KMP_BLOCKTIME"}


def processor_config(
    model_config: str, cpu: float | None, worker_threads: int, gpus: dict[str, Any]
) -> str:
    """
    Return the model config with settings derived from `metadata`. Its own settings win.

    Thread pools follow `metadata.cpu`. `gpus` are the settings for the GPUs.
    """
    try:
        config = json.loads(model_config or "{}")
    except ValueError:
        return model_config
    if not isinstance(config, dict) or not (gpus or cpu):
        return model_config
    return json.dumps(gpus | _threads(cpu, worker_threads) | config)


def _threads(cpu: float | None, worker_threads: int) -> dict[str, int]:
    if cpu is None:
        return {}
    threads = max(1, round(cpu))
    return {
        "intra_op_parallelism_threads": threads,
        # A request that runs in this pool occupies one of its threads until it ends.
        "inter_op_parallelism_threads": max(threads, worker_threads),
    }


def check_model_config(model_config: str, processor: str) -> None:
    """Raise BuildError unless the TensorFlow processor can read the config, or it is empty."""
    if not model_config.strip():
        return
    try:
        found = json.loads(model_config)
        why = "" if isinstance(found, dict) else "this is another value"
    except ValueError as error:
        why = f"this is not JSON ({error})"
    if why:
        shown = repr(model_config if len(model_config) <= 60 else model_config[:57] + "...")
        raise BuildError(
            f"model_config: {processor} reads a JSON object such as "
            f"{{'intra_op_parallelism_threads': 4}}, and {why}: {shown}"
        )
    processor_environment(model_config)


def processor_environment(model_config: str) -> dict[str, str]:
    """Return the environment variables that the config sets; raises BuildError."""
    try:
        config = json.loads(model_config or "{}")
    except ValueError:
        return {}
    found = {}
    for key, variable in _ENVIRONMENT.items():
        if not isinstance(config, dict) or key not in config:
            continue
        value = str(config[key])
        if not value.isdecimal():
            raise BuildError(
                f"model_config.{key}: expected a whole number, 0 or more, got {config[key]!r}"
            )
        found[variable] = value
    return found
