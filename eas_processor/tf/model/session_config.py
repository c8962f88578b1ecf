"""The configuration of a session: its threads, and what it may take of a GPU."""

from typing import Any

from eas_processor.tf.config import ModelConfig
from eas_processor.tf.runtime import ConfigProto, GPUOptions, GraphOptions


def session_config(config: ModelConfig, whole: bool = True) -> Any:
    """
    Return TensorFlow's ConfigProto for a model.

    A graph that is not `whole` has nodes that no device can run: only what a run needs is placed.
    The first session of a process decides on threads and GPU memory for all that follow.
    """
    return ConfigProto(
        # An op that its device has no kernel for runs on another: see `devices` for the rest.
        allow_soft_placement=True,
        graph_options=GraphOptions(place_pruned_graph=not whole),
        intra_op_parallelism_threads=config.intra_op_parallelism_threads,
        inter_op_parallelism_threads=config.inter_op_parallelism_threads,
        gpu_options=GPUOptions(
            allow_growth=config.gpu_allow_growth,
            per_process_gpu_memory_fraction=config.gpu_memory_fraction,
        ),
    )
