"""
The refusals that only HTTP has, in one tree. Each has an HTTP status.

    HttpRefusal
    ├── Malformed           400    the request is not valid HTTP
    ├── MethodNotAllowed    405    the path does not accept this method
    ├── ArrivalTimeout      408    the request did not arrive in time
    ├── LengthRequired      411    the request announces a body without its length
    ├── ContentTooLarge     413    the body is larger than the limit
    ├── TargetTooLong       414    path and query are longer than the limit
    ├── UnsupportedCoding   415    the body has an unsupported Content-Encoding
    ├── HeadersTooLarge     431    the head, or chunk lines and trailers, are too large
    ├── EngineFailed        500    the engine failed, and the request is not at fault
    └── Crowded             503    too many connections or requests are open
"""

from __future__ import annotations

from eas_processor.contracts.refusals import Refusal
from eas_processor.link import codes


class HttpRefusal(Refusal):
    """The base of refusals with an HTTP `status`, before a request becomes a call."""

    code = codes.INVALID_ARGUMENT
    status = 400
    lines = b""
    """Additional header lines of the answer."""

    def __init__(self, sentence: str, status: int = 0) -> None:
        """Make a refusal; `status` replaces that of the class, unless it is 0."""
        super().__init__(sentence)
        if status:
            self.status = status


class Malformed(HttpRefusal):
    """The request is not valid HTTP."""


class MethodNotAllowed(HttpRefusal):
    """The path does not accept this method; `allowed` is the value of the Allow header."""

    status = 405

    def __init__(self, sentence: str, allowed: bytes) -> None:
        super().__init__(sentence)
        self.lines = b"Allow: %b\r\n" % allowed


class ArrivalTimeout(HttpRefusal):
    """The request did not arrive in time."""

    status = 408


class LengthRequired(HttpRefusal):
    """The request announces a body without its length."""

    status = 411


class ContentTooLarge(HttpRefusal):
    """The body is larger than the limit."""

    status = 413


class TargetTooLong(HttpRefusal):
    """The path and query are longer than the limit."""

    status = 414


class UnsupportedCoding(HttpRefusal):
    """The body has an unsupported Content-Encoding."""

    status = 415


class HeadersTooLarge(HttpRefusal):
    """The head, or the chunk lines and trailers, are larger than the limit."""

    status = 431


class EngineFailed(HttpRefusal):
    """The engine failed, and the request is not at fault."""

    status = 500


class Crowded(HttpRefusal):
    """Too many connections or requests are open."""

    status = 503
