"""Refuse single requests that TensorFlow Serving's batching would refuse."""

from eas_processor.tf.config import ModelConfig
from eas_processor.tf.errors import BadRequest
from eas_processor.tf.rows.proof import count_rows
from eas_processor.tf.run.plans import Arrays, Plan


def has_limits(config: ModelConfig) -> bool:
    """Return whether `refuse_unbatchable` has anything to check."""
    return bool(config.max_request_rows or config.refuse_scalar_inputs)


def refuse_unbatchable(config: ModelConfig, plan: Plan, arrays: Arrays) -> None:
    """Raise BadRequest, with TensorFlow Serving's messages, for scalars and for too many rows."""
    if config.refuse_scalar_inputs and not all(array.ndim for array in arrays):
        raise BadRequest("Batching session Run() input tensors must have at least one dimension")
    limit = config.max_request_rows
    rows = count_rows(arrays) if limit and plan.batchable else None
    if rows is not None and rows > limit:
        raise BadRequest(f"Task size {rows} is larger than maximum input batch size {limit}")
