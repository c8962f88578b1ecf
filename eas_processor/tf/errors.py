"""
What the TensorFlow processor refuses, in one tree.

    ProcessorError
    ├── ModelError            MODEL_FAULT       the model cannot be loaded
    │   └── ModelConfigError  MODEL_FAULT       `model_config` is not understood
    ├── BadRequest            INVALID_ARGUMENT  the request does not fit the model
    │   └── ModelRefusal      INVALID_ARGUMENT  the graph itself refused the values it was given
    └── RunError              MODEL_FAULT       the run failed, and not for the request

The order in which one request can meet them: decode (`eas_wire.WireError`), resolve and check
(`BadRequest`), run (`ModelRefusal` or `RunError`), encode (`eas_wire.WireError`). In JSON it meets
`BadRequest` instead of `WireError`.
"""


class ProcessorError(Exception):
    """Something this processor refuses, in one sentence for the person who can change it."""

    code = "MODEL_FAULT"


class ModelError(ProcessorError):
    """The model cannot be loaded."""


class ModelConfigError(ModelError):
    """`model_config` is not JSON, or a value in it is impossible."""


class BadRequest(ProcessorError):
    """The request does not fit the model."""

    code = "INVALID_ARGUMENT"


class ModelRefusal(BadRequest):
    """The graph refused the values of a request while it ran."""


class RunError(ProcessorError):
    """The run failed for a reason that is not the request's."""
