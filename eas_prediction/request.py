"""The base classes of requests and responses."""

from __future__ import annotations

import hashlib
import sys
from typing import TYPE_CHECKING, Any, TypeVar

from .exception import InvalidRequest

if TYPE_CHECKING or sys.version_info >= (3, 8):
    from typing import Protocol
else:
    # Python 3.7 has no protocols, and `Sendable` is not checked at run time.
    from typing import Generic as Protocol

# In FIPS mode, MD5 is refused unless it is marked as not used for security.
_MD5_OPTIONS: dict[str, Any] = {} if sys.version_info < (3, 9) else {"usedforsecurity": False}


R_co = TypeVar("R_co", covariant=True)


class Sendable(Protocol[R_co]):
    """The interface of a request: any object with these two methods, such as a `Request`."""

    def to_string(self) -> str | bytes:
        """Return the body to send."""

    def parse_response(self, response_data: bytes) -> R_co:
        """Convert the body of the answer to the result of `predict`."""


class Body:
    """The bytes of a request, and their MD5 for signed requests."""

    __slots__ = ("_md5", "data", "source")

    def __init__(self, source: str | bytes | bytearray | memoryview) -> None:
        if not isinstance(source, (str, bytes, bytearray, memoryview)):
            raise InvalidRequest(
                f"to_string() of a request: expected bytes or str, got {type(source).__name__}"
            )
        self.source = source
        self.data = source.encode() if isinstance(source, str) else bytes(source)
        self._md5 = ""

    @property
    def md5(self) -> str:
        if not self._md5:
            self._md5 = hashlib.md5(self.data, **_MD5_OPTIONS).hexdigest()  # noqa: S324 - Content-MD5
        return self._md5


class Request:
    """The base of all requests. Subclass it for a format of your own."""

    _sent: Body | None = None
    _why_not_empty = ""
    """The error for an empty body; '' if an empty body may be sent."""

    def to_string(self) -> str | bytes:
        """Return the body to send."""
        raise NotImplementedError(f"{type(self).__name__}.to_string() must be defined")

    def parse_response(self, response_data: bytes) -> Any:
        """Convert the body of the answer to the result of `predict`."""
        raise NotImplementedError(f"{type(self).__name__}.parse_response() must be defined")


class Response:
    """The base of all responses."""


def body_of(request: Any) -> Body:
    """Return the body of `request`. It is reused while `to_string()` returns the same object."""
    if not isinstance(request, Request):
        if isinstance(request, type):
            raise InvalidRequest(f"predict() takes a request, got the class {request.__name__}")
        if not hasattr(request, "to_string"):
            raise InvalidRequest(
                f"predict() takes a request such as TFRequest, got {type(request).__name__}"
            )
        return Body(request.to_string())
    source = request.to_string()
    body = request._sent
    if body is None or body.source is not source or isinstance(source, (bytearray, memoryview)):
        if not source and request._why_not_empty:
            raise InvalidRequest(request._why_not_empty)
        body = request._sent = Body(source)
    return body
