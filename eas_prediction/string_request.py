"""Requests and responses that are text, or bytes in a format of your own."""

from __future__ import annotations

from .request import Request, Response


class StringRequest(Request):
    """A body that is sent unchanged. An empty one asks a TensorFlow service for its signature."""

    def __init__(self, request_data: str | bytes | None = None) -> None:
        self.request_data = "" if request_data is None else request_data

    def __str__(self) -> str:
        return _text(self.request_data)

    def to_string(self) -> str | bytes:
        """Return the body."""
        return self.request_data

    def parse_response(self, response_data: bytes) -> StringResponse:
        """Return the answer as a `StringResponse`."""
        return StringResponse(response_data)


class StringResponse(Response):
    """The body of an answer: `response_data` as bytes, `str()` as text."""

    def __init__(self, response_data: bytes | None = None) -> None:
        self.response_data = b"" if response_data is None else response_data

    def __str__(self) -> str:
        return _text(self.response_data)

    def to_string(self) -> str:
        """Return the body as text."""
        return str(self)


def _text(data: str | bytes) -> str:
    return data if isinstance(data, str) else bytes(data).decode("utf-8", "replace")
