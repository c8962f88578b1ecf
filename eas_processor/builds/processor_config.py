"""What the TensorFlow processor is told beside the service file's own model_config."""

from __future__ import annotations

import json
from typing import Any


def processor_config(
    model_config: str, cpu: float | None, worker_threads: int, gpus: dict[str, Any]
) -> str:
    """
    Return the model config with what follows from `metadata`, unless it says so itself.

    Thread pools follow `metadata.cpu`; `gpus` are the settings for the cards.
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
        # A request that runs through this pool holds one of its threads to the end.
        "inter_op_parallelism_threads": max(threads, worker_threads),
    }
