"""Actions before and after the load of a model that `model_config` asks for."""

import logging
import os
from time import perf_counter
from typing import Any, FrozenSet, Tuple

import numpy as np

import eas_wire as wire
from eas_processor.codecs.array_proto import ArrayProto
from eas_processor.tf.errors import ModelConfigError, ProcessorError
from eas_processor.tf.run.model import Model

log = logging.getLogger(__name__)


def pin(cpus: FrozenSet[int]) -> None:
    """
    Restrict this thread, and the threads it starts from now on, to these cores.

    An empty set means all cores. Raises ModelConfigError if this process may use none of them.
    """
    if not cpus:
        return
    usable = cpus & os.sched_getaffinity(0)
    if not usable:
        may = ", ".join(map(str, sorted(os.sched_getaffinity(0))))
        raise ModelConfigError(
            f"model_config.cpusets: this process may use none of these cores; it may use {may}"
        )
    os.sched_setaffinity(0, usable)
    log.info("the model runs on cores %s", ", ".join(map(str, sorted(usable))))


def run_once(model: Model) -> None:
    """Run the default signature on zeros, with unknown dimensions of 1; failures are logged."""
    signature = model.default_signature
    if signature is None:
        log.warning(
            "model_config.enable_warm_up: no effect, because this model has no signature to make a "
            "request from"
        )
        return
    begin = perf_counter()
    try:
        inputs = {
            name: wire.Tensor(spec.dtype, _zeros(spec.dtype, spec.shape or ()))
            for name, spec in signature.inputs.items()
        }
        request = wire.Request(signature.name, inputs, [])
        plan, arrays = model.prepare(request, ArrayProto())
        plan.name_outputs(model.run(plan, arrays))
    except (ProcessorError, wire.WireError) as error:
        # This is not an error of the model: zeros may be invalid input.
        log.warning("model_config.enable_warm_up: the model refuses a request of zeros: %s", error)
        return
    seconds = perf_counter() - begin
    log.info("model_config.enable_warm_up: a request of zeros took %.1f ms", seconds * 1000)


def _zeros(dtype: int, shape: Tuple[int, ...]) -> "np.ndarray[Any, Any]":
    sizes = [1 if size < 0 else size for size in shape]
    storage = wire.storage_dtype(dtype)
    return np.full(sizes, b"", object) if storage.kind == "O" else np.zeros(sizes, storage)
