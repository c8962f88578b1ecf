"""
The errors of the client, in one tree.

    PredictException
    ├── InvalidRequest    400        the request or a setting is wrong, and nothing was sent
    ├── ConnectionLost    500    ↻   the service could not be reached, or the connection was cut
    │   └── Untrusted     500        the TLS handshake failed, or the certificate is not trusted
    ├── TimedOut          500, 408   no answer within `set_timeout`, or within the service's limit;
    │                                ↻ if only the connect or the read timeout passed
    ├── Refused           3xx, 4xx   the service refused the request
    │   └── Unauthorized  401, 403   the token is missing or wrong
    ├── Overloaded        429, 450 ↻ the service has too many requests
    ├── ServiceFailed     5xx    ↻   the service, or the gateway before it, failed
    ├── BadResponse       500        the answer cannot be read
    └── UnknownOutput     400        the response has no output of that name

`code` is the HTTP status of the answer. Without an answer it is 500, which scripts written for
PAI-EAS expect. An error marked ↻ is `transient`: it is raised only after the client has retried as
its `RetryPolicy` says.

This module is a directory, because Python prefers that to an `exception.py` beside it. The vendor's
package leaves such a file when it is installed over this one, and imports its errors first.
"""

from __future__ import annotations

import sys

NO_ANSWER = 500

# This package's `__init__` imports that module first. The vendor's package has no such module.
if __name__.rpartition(".")[0] + "._other_processors" not in sys.modules:
    raise ImportError(
        "the vendor's package eas-prediction was installed over the eas_prediction of "
        "eas-processor, which has the same name: run `pip uninstall eas-prediction`, then "
        "install eas-processor again with `pip install --force-reinstall --no-deps`; a script that "
        "needs the vendor's package needs an environment of its own"
    )


class PredictException(Exception):
    """The base of all errors. `message` is the service's own text if it sent one."""

    transient = False
    status: int | None = None
    """The HTTP status of the answer, or that for its gRPC status; None without an answer."""
    grpc_status: str = ""
    """The name of the gRPC status, such as `UNAVAILABLE`; empty without one."""
    retry_after: float | None = None
    """The seconds that the service asked to wait, or None."""
    elsewhere = False
    """Whether another instance can be called, so that `retry_after` does not apply."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return f"Code: {self.code}, Message: {self.message}"


class InvalidRequest(PredictException, ValueError):
    """The request or a setting of the client is wrong, and nothing was sent."""

    def __init__(self, message: str) -> None:
        super().__init__(400, message)
        self.args = (message,)


class ConnectionLost(PredictException):
    """The service could not be reached, or the connection was cut before the answer's end."""

    transient = True


class Untrusted(ConnectionLost):
    """The TLS handshake failed, or the certificate of the service is not trusted."""

    transient = False


class TimedOut(PredictException):
    """No answer arrived in time."""


class Refused(PredictException):
    """The service refused the request, and would refuse the same request again."""


class Unauthorized(Refused):
    """The token is missing or wrong."""


class Overloaded(PredictException):
    """The service has too many requests."""

    transient = True


class ServiceFailed(PredictException):
    """The service, or the gateway before it, failed."""

    transient = True


class BadResponse(PredictException):
    """The answer cannot be read."""


class UnknownOutput(PredictException, KeyError):
    """The response has no output of that name."""

    def __init__(self, message: str) -> None:
        super().__init__(400, message)
        self.args = (message,)
