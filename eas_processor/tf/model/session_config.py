"""The configuration of a session: threads, placement and GPU memory."""

from typing import Any

from eas_processor.tf.config import ModelConfig
from eas_processor.tf.runtime import ConfigProto, GPUOptions, GraphOptions


def session_config(config: ModelConfig, whole: bool = True) -> Any:
    """
    Return TensorFlow's ConfigProto for a model.

    Without `whole`, each run places only the nodes that it needs, because some nodes cannot be
    placed. The first session of a process decides the threads and GPU memory of all sessions.
    """
    return ConfigProto(
        # Ops run on another device if theirs has no kernel for them. See also `devices`.
        allow_soft_placement=True,
        graph_options=GraphOptions(place_pruned_graph=not whole),
        intra_op_parallelism_threads=config.intra_op_parallelism_threads,
        inter_op_parallelism_threads=config.inter_op_parallelism_threads,
        gpu_options=GPUOptions(
            allow_growth=config.gpu_allow_growth,
            per_process_gpu_memory_fraction=config.gpu_memory_fraction,
        ),
    )
