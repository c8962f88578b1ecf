"""
What a client may not do, in one tree; each knows the code that it is told.

    Http2Fault
    ├── ConnectionFault     GOAWAY        the connection ends
    └── StreamFault         RST_STREAM    the stream ends
"""

from __future__ import annotations

from eas_processor.errors import EasError
from eas_processor.frontends.grpc.http2.frames import PROTOCOL_ERROR


class Http2Fault(EasError):
    """A client broke a rule of HTTP/2, or a limit of this server."""


class ConnectionFault(Http2Fault):
    """The connection cannot go on; `code` and the sentence go into a GOAWAY."""

    def __init__(self, sentence: str, code: int = PROTOCOL_ERROR) -> None:
        super().__init__(sentence)
        self.code = code


class StreamFault(Http2Fault):
    """One stream ends with a RST_STREAM; the others go on."""

    def __init__(self, stream: int, code: int = PROTOCOL_ERROR) -> None:
        super().__init__(f"stream {stream} is reset with code {code}")
        self.stream = stream
        self.code = code
