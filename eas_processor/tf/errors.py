"""
What the TensorFlow processor refuses, in one tree.

    ProcessorError
    ├── ModelError              500   the model cannot be loaded: ends the start of the worker
    │   └── ModelConfigError    500   `model_config` is not what this processor understands
    ├── BadRequest              400   the request does not fit the model
    │   └── ModelRefusal        400   the graph itself refused the values it was given
    └── RunError                500   the run failed for a reason that is not the request's

The order in which one request can meet them: decode (`wire.WireError`, 400), resolve and check
(`BadRequest`), run (`ModelRefusal` or `RunError`), encode (`wire.WireError`). In JSON it meets
`BadRequest` instead of `WireError`.
"""


class ProcessorError(Exception):
    """Something this processor refuses, in one sentence for the person who can change it."""

    status = 500


class ModelError(ProcessorError):
    """The model cannot be loaded."""


class ModelConfigError(ModelError):
    """`model_config` is not JSON, or a value in it is impossible."""


class BadRequest(ProcessorError):
    """The request does not fit the model."""

    status = 400


class ModelRefusal(BadRequest):
    """The graph refused the values of a request while it ran."""


class RunError(ProcessorError):
    """The run failed for a reason that is not the request's."""
