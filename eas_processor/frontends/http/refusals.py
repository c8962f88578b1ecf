"""
What HTTP itself refuses, in one tree; each knows its status.

    HttpRefusal
    ├── MethodNotAllowed    405    the path exists, the method does not
    ├── LengthRequired      411    a body is announced without saying how long it is
    ├── TargetTooLong       414    path and query are too long
    ├── UnsupportedCoding   415    the body comes in a coding that is not understood here
    └── HeadersTooLarge     431    the head, or what is behind it and not body, is too large
"""

from __future__ import annotations

from eas_processor.contracts.refusals import Refusal
from eas_processor.link import codes


class HttpRefusal(Refusal):
    """A request is refused with an HTTP `status`, before it is a call."""

    code = codes.INVALID_ARGUMENT
    status = 400


class MethodNotAllowed(HttpRefusal):
    """The path exists, the method does not."""

    status = 405


class LengthRequired(HttpRefusal):
    """A body is announced without saying how long it is."""

    status = 411


class TargetTooLong(HttpRefusal):
    """The path and query are longer than the engine takes."""

    status = 414


class UnsupportedCoding(HttpRefusal):
    """The body comes in a coding that is not understood here."""

    status = 415


class HeadersTooLarge(HttpRefusal):
    """The head of the request, or what is behind it and not body, is larger than is taken."""

    status = 431
