"""The parsed header list of a request, and the rules for header lists."""

from __future__ import annotations

import re

Fields = list[tuple[bytes, bytes]]

_PSEUDO = frozenset([b":method", b":scheme", b":authority", b":path"])
_NEEDED = frozenset([b":method", b":scheme", b":path"])
_FORBIDDEN = frozenset(
    [b"connection", b"proxy-connection", b"keep-alive", b"transfer-encoding", b"upgrade"]
)
_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+").fullmatch
_ODD_VALUE = re.compile(rb"[\0-\x08\x0a-\x1f\x7f]|\A[ \t]|[ \t]\Z").search
_ODD_PSEUDO = re.compile(rb"[\0-\x20\x7f-\xff]").search
_TIMEOUT = re.compile(rb"([0-9]{1,8})([HMSmun])").fullmatch
_UNITS = {b"H": 3600.0, b"M": 60.0, b"S": 1.0, b"m": 1e-3, b"u": 1e-6, b"n": 1e-9}
_REMEMBERED = 1024
_UNREAD = frozenset([b"traceparent", b"tracestate", b"baggage", b"grpc-trace-bin"])
"""Fields of tracing. They differ for each call, and the engine does not read them."""

GRPC = b"application/grpc"


class StreamHead:
    """
    A parsed header list, shared by all streams that sent an equal one.

    `headers` contains the pseudo-headers and lower-case names; of repeated fields, the last.
    `timeout` is in seconds, 0.0 for none. `bad_timeout` tells that grpc-timeout is invalid.
    `length` is the Content-Length, or None. `malformed` tells that RFC 9113, section 8, forbids
    the list. `key` is equal for heads that differ only in their timeout.
    """

    __slots__ = (
        "bad_timeout",
        "encoding",
        "headers",
        "key",
        "length",
        "malformed",
        "path",
        "takes_gzip",
        "timeout",
    )

    def __init__(self, fields: Fields, timeout: bytes | None = None) -> None:
        self.key = object()  # `self` as its own key would be a reference cycle
        self.headers = dict(fields)
        self.malformed = is_malformed(fields)
        self.path = self.headers.get(b":path", b"")
        self.encoding = self.headers.get(b"grpc-encoding", b"")
        if self.encoding == b"identity":
            self.encoding = b""
        self.takes_gzip = b"gzip" in self.headers.get(b"grpc-accept-encoding", b"")
        length = self.headers.get(b"content-length")
        self.length = int(length) if length is not None and length.isdigit() else None
        if length is not None and self.length is None:
            self.malformed = True
        self.timeout = 0.0
        self.bad_timeout = False
        if timeout is not None:
            self._set_timeout(timeout)

    def within(self, timeout: bytes) -> StreamHead:
        """Return the same head with another timeout."""
        head = StreamHead.__new__(StreamHead)
        head.key = self.key
        head.headers = self.headers
        head.malformed = self.malformed
        head.path = self.path
        head.encoding = self.encoding
        head.takes_gzip = self.takes_gzip
        head.length = self.length
        head.timeout = 0.0
        head.bad_timeout = False
        head._set_timeout(timeout)
        return head

    def _set_timeout(self, text: bytes) -> None:
        found = _TIMEOUT(text)
        if found is None:
            self.bad_timeout = True
            # A value that no field may have is malformed HTTP/2.
            self.malformed = self.malformed or _ODD_VALUE(text) is not None
        else:
            # A timeout of 0 is still a limit, whereas 0.0 would mean none.
            self.timeout = max(int(found[1]) * _UNITS[found[2]], 1e-9)

    @property
    def is_grpc(self) -> bool:
        """Whether the content type is `application/grpc`, perhaps with `+proto` or parameters."""
        kind = self.headers.get(b"content-type", b"")
        return kind.startswith(GRPC) and kind[len(GRPC) : len(GRPC) + 1] in (b"", b"+", b";")


class Heads:
    """
    Remembers the heads of all connections, because parsing a new one takes 35 us.

    Timeouts and the fields of tracing vary with each call, so they are not part of a head.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[tuple[bytes, bytes], ...], StreamHead] = {}

    def find(self, fields: Fields) -> StreamHead:
        """Return the head of a header list. The timeout is removed from `fields`."""
        timeout = None
        for place, field in enumerate(fields):
            if field[0] == b"grpc-timeout":
                if not _precedes_pseudo(fields, place):
                    timeout = field[1]
                    del fields[place]
                break
        head = self._known.get(tuple(fields)) or self._find_read(fields)
        return head if timeout is None else head.within(timeout)

    def _find_read(self, fields: Fields) -> StreamHead:
        """Return the head of a new header list, without the fields of tracing."""
        read = [
            field
            for place, field in enumerate(fields)
            if field[0] not in _UNREAD or _ODD_VALUE(field[1]) or _precedes_pseudo(fields, place)
        ]
        key = tuple(read)
        head = self._known.get(key)
        if head is None:
            head = StreamHead(read)
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[key] = head
        return head


def _precedes_pseudo(fields: Fields, place: int) -> bool:
    """Whether a pseudo-header follows. Such a list is malformed, and must stay recognisable."""
    return bool(fields[place + 1 : place + 2]) and fields[place + 1][0][:1] == b":"


def is_malformed(fields: Fields) -> bool:
    """Whether RFC 9113, sections 8.2 and 8.3, forbids this header list of a request."""
    seen: set[bytes] = set()
    regular = False
    for name, value in fields:
        if name[:1] == b":":
            if regular or name in seen or name not in _PSEUDO or _ODD_PSEUDO(value):
                return True
            seen.add(name)
        else:
            regular = True
            if not _is_legal(name, value) or (name == b"content-length" and name in seen):
                return True
            seen.add(name)
        if _ODD_VALUE(value):
            return True
    if not seen >= _NEEDED:
        return True
    path = dict(fields)[b":path"]
    return not path.startswith(b"/")


def are_trailers(fields: Fields) -> bool:
    """Whether a header list may be trailers: no pseudo-headers, and valid names and values."""
    return all(_is_legal(name, value) and not _ODD_VALUE(value) for name, value in fields)


def _is_legal(name: bytes, value: bytes) -> bool:
    """Whether a name is a token that HTTP/2 allows; connection headers are forbidden."""
    if name == b"te":
        return value == b"trailers"
    return _NAME(name) is not None and name not in _FORBIDDEN
