"""
The errors of the TensorFlow processor, with their status codes.

    ProcessorError
    ├── ModelError            MODEL_FAULT       the model cannot be loaded
    │   └── ModelConfigError  MODEL_FAULT       `model_config` is invalid
    ├── BadRequest            INVALID_ARGUMENT  the request does not match the model
    │   └── ModelRefusal      INVALID_ARGUMENT  the graph refused the values of the request
    └── RunError              MODEL_FAULT       the run failed, and the request is not the cause

The steps of a request raise, in order: decode `eas_wire.WireError` or `codecs.errors.CodecError`,
check `BadRequest`, run `ModelRefusal` or `RunError`, and encode the errors of decode again.
"""


class ProcessorError(Exception):
    """The base of these errors. The message is one sentence for the person who can act on it."""

    code = "MODEL_FAULT"


class ModelError(ProcessorError):
    """The model cannot be loaded."""


class ModelConfigError(ModelError):
    """`model_config` is not JSON, or a value in it is invalid."""


class BadRequest(ProcessorError):
    """The request does not match the model."""

    code = "INVALID_ARGUMENT"


class ModelRefusal(BadRequest):
    """The graph refused the values of a request during the run."""


class RunError(ProcessorError):
    """The run failed, and the request is not the cause."""
