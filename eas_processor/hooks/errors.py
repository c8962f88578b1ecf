"""
What the hooks of arrays refuse, in one tree.

    BadRequest    INVALID_ARGUMENT  a request does not fit what the processor takes
    OutputError   MODEL_FAULT       the function's own answer is not what is declared
"""


class BadRequest(Exception):
    """A request is wrong: one sentence, which its client is shown."""

    code = "INVALID_ARGUMENT"


class OutputError(Exception):
    """A function of arrays returned what its declaration does not allow."""

    code = "MODEL_FAULT"
