"""The configuration of a session: its threads, and what it may take of a GPU."""

from typing import Any

from eas_processor.tf.config import ModelConfig
from eas_processor.tf.runtime import ConfigProto


def session_config(config: ModelConfig) -> Any:
    """
    Return TensorFlow's ConfigProto for a model.

    The first session of a process decides on threads and GPU memory for all that follow.
    """
    return ConfigProto(
        intra_op_parallelism_threads=config.intra_op_parallelism_threads,
        inter_op_parallelism_threads=config.inter_op_parallelism_threads,
    )
