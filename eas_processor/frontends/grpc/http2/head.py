"""What the header list of a request says, and whether it is one."""

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
"""Fields of tracing: each call has others, and nobody here reads them."""

GRPC = b"application/grpc"


class StreamHead:
    """
    One header list, shared by all streams that sent an equal one.

    `headers` has lower-case names and the pseudo-headers; of repeated ones the last. `timeout` is
    in seconds, 0.0 for none; a `bad_timeout` is one that gRPC does not know. `length` is what
    Content-Length says. `malformed` is whether RFC 9113, section 8, forbids the list. `key` is
    equal for heads that differ in their timeout alone.
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
        self.key = object()  # the head itself would be a cycle, for the garbage collector to find
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
            # A value that no field may have is a fault of HTTP/2 first.
            self.malformed = self.malformed or _ODD_VALUE(text) is not None
        else:
            # What is over at once is still a limit, and 0.0 means none.
            self.timeout = max(int(found[1]) * _UNITS[found[2]], 1e-9)

    @property
    def is_grpc(self) -> bool:
        """Whether the body is of gRPC: `application/grpc`, perhaps with `+proto` or parameters."""
        kind = self.headers.get(b"content-type", b"")
        return kind.startswith(GRPC) and kind[len(GRPC) : len(GRPC) + 1] in (b"", b"+", b";")


class Heads:
    """
    The heads that connections have seen, so that what varies costs no new one.

    That is the timeout, and what tracing adds: with a new head a call takes 35 us longer.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[tuple[bytes, bytes], ...], StreamHead] = {}

    def find(self, fields: Fields) -> StreamHead:
        """Return the head of a header list; the timeout is taken out of `fields`."""
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
        """Return the head of a list that is not known, without the fields that nobody reads."""
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
    """Whether a pseudo-header follows, which is malformed, and is to be seen."""
    return bool(fields[place + 1 : place + 2]) and fields[place + 1][0][:1] == b":"


def is_malformed(fields: Fields) -> bool:
    """Whether RFC 9113, sections 8.2 and 8.3, forbids a header list of a request."""
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
    """Whether a header list may follow a message: it has no pseudo-header, and names are tokens."""
    return all(_is_legal(name, value) and not _ODD_VALUE(value) for name, value in fields)


def _is_legal(name: bytes, value: bytes) -> bool:
    """Whether a name is a token, and none that speaks of the connection."""
    if name == b"te":
        return value == b"trailers"
    return _NAME(name) is not None and name not in _FORBIDDEN
