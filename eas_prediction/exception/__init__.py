"""
The errors of the client, in one tree.

    PredictException
    ├── InvalidRequest    400        the request, or a setting of the client, is wrong: nothing sent
    ├── ConnectionLost    500    ↻   the service was not reached, or cut the connection
    │   └── Untrusted     500        TLS could not be agreed on, or the certificate is not trusted
    ├── TimedOut          500, 408   no answer within the time of `set_timeout`, or the service's;
    │                                ↻ where the connect or read timeout passed, and time is left
    ├── Refused           3xx, 4xx   the service refused the request
    │   └── Unauthorized  401, 403   the token is missing or wrong
    ├── Overloaded        429, 450 ↻ the service has more requests than it takes
    ├── ServiceFailed     5xx    ↻   the service or the gateway before it failed
    ├── BadResponse       500        an answer came and cannot be understood
    └── UnknownOutput     400        the response has no output of that name

`code` is the HTTP status of the answer; where no answer came it is 500, which scripts written for
PAI-EAS expect. What is marked ↻ is `transient`: it is raised only after the client has tried again
as its `RetryPolicy` says.

This module is a directory because Python prefers one to an `exception.py` beside it, which is there
when the vendor's package was installed over this one; and the vendor's imports its errors first.
"""

from __future__ import annotations

import sys

NO_ANSWER = 500

# Our `__init__` begins with this module; the vendor's has none of that name.
if __name__.rpartition(".")[0] + "._other_processors" not in sys.modules:
    raise ImportError(
        "the vendor's package eas-prediction was installed over the eas_prediction of "
        "eas-processor, whose name it shares: run `pip uninstall eas-prediction`, then "
        "install eas-processor again with `pip install --force-reinstall --no-deps`; a script that "
        "needs the vendor's package needs an environment of its own"
    )


class PredictException(Exception):
    """A prediction failed; `message` is the service's own sentence where it sent one."""

    transient = False
    status: int | None = None
    """The HTTP status of the answer, or that of its gRPC status; none where no answer came."""
    grpc_status: str = ""
    """The name of the status of a gRPC call, such as `UNAVAILABLE`; empty where none came."""
    retry_after: float | None = None
    """Seconds that the service asked to wait, where it did."""
    elsewhere = False
    """Whether another instance can be asked, which did not ask to wait."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return f"Code: {self.code}, Message: {self.message}"


class InvalidRequest(PredictException, ValueError):
    """The request, or a setting of the client, is wrong; nothing was sent."""

    def __init__(self, message: str) -> None:
        super().__init__(400, message)
        self.args = (message,)


class ConnectionLost(PredictException):
    """The service was not reached, or the connection was cut before the answer was complete."""

    transient = True


class Untrusted(ConnectionLost):
    """TLS could not be agreed on, or the certificate of the service is not trusted."""

    transient = False


class TimedOut(PredictException):
    """No answer came in time."""


class Refused(PredictException):
    """The service refused the request; the same request will be refused again."""


class Unauthorized(Refused):
    """The token is missing or wrong."""


class Overloaded(PredictException):
    """The service has more requests than it takes."""

    transient = True


class ServiceFailed(PredictException):
    """The service, or the gateway before it, failed."""

    transient = True


class BadResponse(PredictException):
    """An answer came and cannot be understood."""


class UnknownOutput(PredictException, KeyError):
    """The response has no output of that name."""

    def __init__(self, message: str) -> None:
        super().__init__(400, message)
        self.args = (message,)
