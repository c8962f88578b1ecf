"""What `PredictClient.predict` takes and gives back."""

from __future__ import annotations

import hashlib
import sys
from typing import TYPE_CHECKING, Any, TypeVar

from .exception import InvalidRequest

if TYPE_CHECKING or sys.version_info >= (3, 8):
    from typing import Protocol
else:
    # Python 3.7 has no protocols; nothing asks `Sendable` at run time.
    from typing import Generic as Protocol

# Machines in FIPS mode refuse MD5 unless told that nothing rests on it.
_MD5_OPTIONS: dict[str, Any] = {} if sys.version_info < (3, 9) else {"usedforsecurity": False}


R_co = TypeVar("R_co", covariant=True)


class Sendable(Protocol[R_co]):
    """What `predict` takes: anything with these two methods, such as a `Request`."""

    def to_string(self) -> str | bytes:
        """Return the body to send."""

    def parse_response(self, response_data: bytes) -> R_co:
        """Return what `predict` returns, from the body of the answer."""


class Body:
    """The bytes of a request, and their MD5, which a signed request carries."""

    __slots__ = ("_md5", "data", "source")

    def __init__(self, source: str | bytes | bytearray | memoryview) -> None:
        if not isinstance(source, (str, bytes, bytearray, memoryview)):
            raise InvalidRequest(
                f"to_string() of a request returns bytes or str, got {type(source).__name__}"
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
    """Base of all requests, to be subclassed for a format of your own."""

    _sent: Body | None = None
    _why_not_empty = ""
    """Why an empty body is not sent, where it is not."""

    def to_string(self) -> str | bytes:
        """Return the body to send."""
        raise NotImplementedError(f"{type(self).__name__}.to_string() must be defined")

    def parse_response(self, response_data: bytes) -> Any:
        """Return what `predict` returns, from the body of the answer."""
        raise NotImplementedError(f"{type(self).__name__}.parse_response() must be defined")


class Response:
    """Base of all responses."""


def body_of(request: Any) -> Body:
    """The body of `request`; made once for as long as `to_string()` returns the same object."""
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
