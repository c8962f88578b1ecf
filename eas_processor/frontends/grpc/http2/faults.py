"""
The faults of clients, in one tree. Each has an error code of HTTP/2.

    Http2Fault
    ├── ConnectionFault     GOAWAY        the connection ends
    └── StreamFault         RST_STREAM    the stream ends
"""

from __future__ import annotations

from eas_processor.errors import EasError
from eas_processor.frontends.grpc.http2.frames import PROTOCOL_ERROR


class Http2Fault(EasError):
    """A client broke a rule of HTTP/2 or exceeded a limit of this server."""


class ConnectionFault(Http2Fault):
    """The connection ends; `code` and the sentence are sent in a GOAWAY."""

    def __init__(self, sentence: str, code: int = PROTOCOL_ERROR) -> None:
        super().__init__(sentence)
        self.code = code


class StreamFault(Http2Fault):
    """One stream ends with a RST_STREAM; the others continue."""

    def __init__(self, stream: int, code: int = PROTOCOL_ERROR) -> None:
        super().__init__(f"stream {stream} is reset with code {code}")
        self.stream = stream
        self.code = code
