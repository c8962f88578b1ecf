"""
What HTTP itself refuses, in one tree; each knows its status.

    HttpRefusal
    ├── Malformed           400    not a request that can be understood
    ├── MethodNotAllowed    405    the path exists, the method does not
    ├── ArrivalTimeout      408    the request did not arrive in time
    ├── LengthRequired      411    a body is announced without saying how long it is
    ├── ContentTooLarge     413    the body is larger than is taken
    ├── TargetTooLong       414    path and query are too long
    ├── UnsupportedCoding   415    the body comes in a coding that is not understood here
    ├── HeadersTooLarge     431    the head, or what is behind it and not body, is too large
    ├── EngineFailed        500    a fault that is not the request's
    └── Crowded             503    as many connections or requests are open as may be
"""

from __future__ import annotations

from eas_processor.contracts.refusals import Refusal
from eas_processor.link import codes


class HttpRefusal(Refusal):
    """A request is refused with an HTTP `status`, before it is a call."""

    code = codes.INVALID_ARGUMENT
    status = 400
    lines = b""
    """Header lines that the answer has because of it."""

    def __init__(self, sentence: str, status: int = 0) -> None:
        """Give a status to a refusal that has none of its own."""
        super().__init__(sentence)
        if status:
            self.status = status


class Malformed(HttpRefusal):
    """The request cannot be understood."""


class MethodNotAllowed(HttpRefusal):
    """The path exists, the method does not; `allowed` are those that do."""

    status = 405

    def __init__(self, sentence: str, allowed: bytes) -> None:
        super().__init__(sentence)
        self.lines = b"Allow: %b\r\n" % allowed


class ArrivalTimeout(HttpRefusal):
    """The request did not arrive in time."""

    status = 408


class LengthRequired(HttpRefusal):
    """A body is announced without saying how long it is."""

    status = 411


class ContentTooLarge(HttpRefusal):
    """The body is larger than is taken."""

    status = 413


class TargetTooLong(HttpRefusal):
    """The path and query are longer than the engine takes."""

    status = 414


class UnsupportedCoding(HttpRefusal):
    """The body comes in a coding that is not understood here."""

    status = 415


class HeadersTooLarge(HttpRefusal):
    """The head of the request, or what is behind it and not body, is larger than is taken."""

    status = 431


class EngineFailed(HttpRefusal):
    """The engine failed for a reason that is not the request's."""

    status = 500


class Crowded(HttpRefusal):
    """As many connections or requests are open as may be."""

    status = 503
