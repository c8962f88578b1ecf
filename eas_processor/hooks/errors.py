"""
The errors of array hooks, with their status codes.

    BadRequest    INVALID_ARGUMENT  the request does not match the declared inputs
    OutputError   MODEL_FAULT       the function's result does not match the declared outputs
"""


class BadRequest(Exception):
    """A request is wrong; the client receives the message, which is one sentence."""

    code = "INVALID_ARGUMENT"


class OutputError(Exception):
    """A function's result does not match its declared outputs."""

    code = "MODEL_FAULT"
