"""What TensorFlow Serving's batching refuses of a request, whatever comes with it."""

from eas_processor.tf.config import ModelConfig
from eas_processor.tf.errors import BadRequest
from eas_processor.tf.rows.proof import count_rows
from eas_processor.tf.run.plans import Arrays, Plan


def has_limits(config: ModelConfig) -> bool:
    """Tell whether `refuse_unbatchable` can refuse anything."""
    return bool(config.max_request_rows or config.refuse_scalar_inputs)


def refuse_unbatchable(config: ModelConfig, plan: Plan, arrays: Arrays) -> None:
    """Raise `BadRequest`, in the words of TensorFlow Serving, for scalars and too many rows."""
    if config.refuse_scalar_inputs and not all(array.ndim for array in arrays):
        raise BadRequest("Batching session Run() input tensors must have at least one dimension")
    most = config.max_request_rows
    rows = count_rows(arrays) if most and plan.batchable else None
    if rows is not None and rows > most:
        raise BadRequest(f"Task size {rows} is larger than maximum input batch size {most}")
