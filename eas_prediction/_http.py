"""
Sends one request on an open connection and reads its answer, in HTTP/1.1.

docs/decisions/client-http.md says why the client does this itself.
"""

from __future__ import annotations

import re
import selectors
import socket
import ssl
import time
import zlib
from typing import Generator, Mapping, NamedTuple, Sequence, Tuple, TypeVar

from urllib3._version import __version__ as urllib3_version

from .exception import NO_ANSWER, BadResponse, InvalidRequest

LONGEST_HEAD = 64 << 10
RECEIVED_AT_ONCE = 256 << 10
# For smaller bodies, a copy is cheaper than a second system call.
SENT_AT_ONCE = 64 << 10

_DEFAULT_HEADERS = {
    "Accept-Encoding": "identity",
    # The connections are urllib3's, and the vendor's client sends the same.
    "User-Agent": f"python-urllib3/{urllib3_version}",
}
_OURS = frozenset({"content-length", "transfer-encoding"})
_STATUS_LINE = re.compile(r"HTTP/1\.([01]) ([1-9]\d\d)(?: .*)?")
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;.*)?")


T = TypeVar("T")
Reading = Generator[None, bytes, T]


class ConnectionCut(OSError):
    """The other side closed the connection before its answer was complete."""


class Silent(Exception):
    """
    A kept connection was silent for half of the time, so it may be dead.

    `sent` tells whether the whole request was sent.
    """

    def __init__(self, sent: bool) -> None:
        super().__init__(sent)
        self.sent = sent


class Patience:
    """How long to wait: until `deadline`, and at most `silence` seconds without bytes."""

    __slots__ = ("deadline", "silence")

    def __init__(self, deadline: float, silence: float | None = None) -> None:
        self.deadline = deadline
        self.silence = silence

    def left(self) -> float:
        """Return the seconds until the deadline. Raises `socket.timeout` if it has passed."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise socket.timeout("timed out")  # noqa: UP041 - another class before Python 3.10
        return left

    def for_bytes(self) -> float:
        """Return the seconds to wait for the next bytes."""
        left = self.left()
        return left if self.silence is None else min(left, self.silence)

    def halved(self) -> Patience:
        """Return a patience with half of the time that is left."""
        return Patience(self.deadline - self.left() / 2, self.silence)

    def half(self) -> float | None:
        """Return the seconds until a kept connection is doubted; None if silence ends first."""
        half = self.left() / 2
        return half if self.silence is None or half < self.silence else None


class Answer(NamedTuple):
    """An answer with lower-case header names; `keep` tells whether the connection can be reused."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    keep: bool


def request_head(
    method: str, target: str, host: str, headers: Mapping[str, str], length: int
) -> bytes:
    """Return the head of a request with a body of `length` bytes. Raises `InvalidRequest`."""
    lines = [f"{method} {target} HTTP/1.1"]
    names = {name.lower() for name in headers}
    if "host" not in names:
        lines.append(f"Host: {host}")
    lines += [f"{k}: {v}" for k, v in _DEFAULT_HEADERS.items() if k.lower() not in names]
    for name, value in headers.items():
        if name.lower() not in _OURS:
            lines.append(f"{name}: {value if isinstance(value, str) else _text(name, value)}")
    lines.append(f"Content-Length: {length}")
    # A line break in a value would let it inject a header or a request.
    head = "\r\n".join(lines)
    if head.count("\n") >= len(lines) or head.count("\r") >= len(lines):
        wrong = next(each for each in lines if "\n" in each or "\r" in each)
        raise InvalidRequest(f"headers: {wrong.partition(':')[0]!r} has a line break")
    try:
        return (head + "\r\n\r\n").encode("latin-1")
    except UnicodeEncodeError as error:
        raise InvalidRequest(f"headers: {head[error.start]!r} is not in Latin-1") from None


def _text(name: str, value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, int):
        return str(value)
    raise InvalidRequest(f"headers: expected a str for {name!r}, got {type(value).__name__}")


def exchange(
    sock: socket.socket, head: bytes, body: bytes, patience: Patience, doubtful: bool = False
) -> Answer:
    """
    Send a request and read its answer.

    Raises `ConnectionCut`, another `OSError`, `socket.timeout` or `BadResponse`. On a `doubtful`
    connection it may also raise `Silent`; the connection can still answer then.
    """
    try:
        send(sock, head, body, patience, doubtful)
    except (BrokenPipeError, ConnectionResetError) as error:
        # A service that refuses a large body may answer and close before it has read the body.
        try:
            return receive(sock, patience)._replace(keep=False)
        except OSError:
            raise error from None
    return receive(sock, patience, doubtful=doubtful)


def send(
    sock: socket.socket, head: bytes, body: bytes, patience: Patience, doubtful: bool = False
) -> None:
    """Send a request. Raises `OSError`, or `Silent` if a `doubtful` connection accepts no bytes."""
    if len(body) < SENT_AT_ONCE:
        sock.settimeout(patience.left())
        sock.sendall(head + body)
        return
    for data in (head, body):
        if doubtful:
            _send_in_pieces(sock, memoryview(data), patience)
        else:
            sock.settimeout(patience.left())
            sock.sendall(data)


def _send_in_pieces(sock: socket.socket, data: memoryview, patience: Patience) -> None:
    while data:
        half = patience.half()
        sock.settimeout(patience.left() if half is None else half)
        try:
            data = data[sock.send(data) :]
        except socket.timeout:  # noqa: UP041 - another class before Python 3.10
            if half is None:
                raise
            raise Silent(sent=False) from None


def receive(
    sock: socket.socket, patience: Patience, begin: bytes = b"", *, doubtful: bool = False
) -> Answer:
    """Read an answer that begins with `begin`. Raises as `exchange` does."""
    reading = read_answer()
    next(reading)
    try:
        if begin:
            reading.send(begin)
        elif doubtful:
            reading.send(_first_bytes(sock, patience))
        while True:
            sock.settimeout(patience.for_bytes())
            reading.send(sock.recv(RECEIVED_AT_ONCE))
    except StopIteration as end:
        answer: Answer = end.value
        return answer


def _first_bytes(sock: socket.socket, patience: Patience) -> bytes:
    half = patience.half()
    sock.settimeout(patience.for_bytes() if half is None else half)
    try:
        return sock.recv(RECEIVED_AT_ONCE)
    except socket.timeout:  # noqa: UP041 - another class before Python 3.10
        if half is None:
            raise
        raise Silent(sent=True) from None


def first_of(socks: Sequence[socket.socket], patience: Patience) -> tuple[socket.socket, bytes]:
    """
    Wait for the first bytes on several connections; return the connection and the bytes.

    If all end, raises the error of the last one. Raises `socket.timeout` too.
    """
    with selectors.DefaultSelector() as selector:
        for sock in socks:
            sock.setblocking(False)
            selector.register(sock, selectors.EVENT_READ)
        while True:
            ready = selector.select(patience.for_bytes())
            if not ready:
                raise socket.timeout("timed out")  # noqa: UP041 - another before Python 3.10
            for key, _ in ready:
                sock = key.fileobj  # type: ignore[assignment]
                failure: OSError = ConnectionCut("the service closed it before answering")
                try:
                    data = sock.recv(RECEIVED_AT_ONCE)
                except (BlockingIOError, ssl.SSLWantReadError):
                    continue  # TLS also sends records without data
                except OSError as error:
                    data, failure = b"", error
                if data:
                    return sock, data
                selector.unregister(sock)
                if not selector.get_map():
                    raise failure


class _Received:
    """Received bytes that are not parsed yet. Its generators yield to get more."""

    def __init__(self) -> None:
        self.data = b""

    def until(self, mark: bytes) -> Reading[bytes]:
        """Return the bytes before `mark`, and drop `mark`."""
        while True:
            before, found, after = self.data.partition(mark)
            if found:
                self.data = after
                return before
            if len(self.data) > LONGEST_HEAD:
                raise BadResponse(NO_ANSWER, "the answer is not HTTP, or its head is too long")
            self.data += yield from self._at_least_one()

    def exactly(self, count: int) -> Reading[bytes]:
        if len(self.data) >= count:
            body, self.data = self.data[:count], self.data[count:]
            return body
        parts, missing = [self.data], count - len(self.data)
        while missing > 0:
            parts.append((yield from self._at_least_one()))
            missing -= len(parts[-1])
        whole = b"".join(parts)
        self.data = whole[count:]
        return whole[:count] if self.data else whole

    def rest(self) -> Reading[bytes]:
        parts = [self.data]
        while parts[-1] or len(parts) == 1:
            parts.append((yield))
        self.data = b""
        return b"".join(parts)

    def _at_least_one(self) -> Reading[bytes]:
        part = yield
        if not part:
            raise ConnectionCut("the service closed it before the answer was complete")
        return part


def read_answer() -> Reading[Answer]:
    """
    Parse one answer without doing I/O.

    This generator is sent the bytes as they arrive, and empty bytes at the end of the connection.
    It returns the answer. Raises `ConnectionCut` or `BadResponse`.
    """
    received = _Received()
    status = 100
    while 100 <= status < 200:  # an interim answer comes before the real one
        minor, status, headers = _parse_head((yield from received.until(b"\r\n\r\n")))
    body, ends = yield from _body(received, status, headers)
    coding = headers.get("content-encoding")
    if coding and body:
        body = _decoded(coding, body)
    connection = headers.get("connection", "").lower()
    lives = "close" not in connection if minor == "1" else "keep-alive" in connection
    return Answer(status, headers, body, lives and ends and not received.data)


def _parse_head(head: bytes) -> tuple[str, int, dict[str, str]]:
    lines = head.decode("latin-1").split("\r\n")
    line = _STATUS_LINE.fullmatch(lines[0])
    if line is None:
        raise BadResponse(NO_ANSWER, f"the answer is not HTTP/1.1: {lines[0][:60]!r}")
    headers: dict[str, str] = {}
    for each in lines[1:]:
        name, colon, value = each.partition(":")
        if not colon:
            raise BadResponse(NO_ANSWER, f"the answer has a header without a colon: {each[:60]!r}")
        name, value = name.lower(), value.strip(" \t")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return line[1], int(line[2]), headers


def _body(
    received: _Received, status: int, headers: Mapping[str, str]
) -> Reading[Tuple[bytes, bool]]:
    """Return the body, and whether it ends before the connection does."""
    if status in (204, 304):
        return b"", True
    if "transfer-encoding" in headers:
        if headers["transfer-encoding"].lower() != "chunked":
            raise BadResponse(
                NO_ANSWER, f"the answer has Transfer-Encoding {headers['transfer-encoding']!r}"
            )
        return (yield from _chunks(received)), True
    length = headers.get("content-length")
    if length is None:
        return (yield from received.rest()), False
    if not (length.isascii() and length.isdigit()):
        raise BadResponse(NO_ANSWER, f"the answer has Content-Length {length!r}")
    return (yield from received.exactly(int(length))), True


def _chunks(received: _Received) -> Reading[bytes]:
    chunks = []
    while True:
        line = yield from received.until(b"\r\n")
        size = _CHUNK_SIZE.fullmatch(line)
        if size is None:
            raise BadResponse(NO_ANSWER, f"the answer has a chunk of size {line[:20]!r}")
        if not int(size[1], 16):
            break
        chunks.append((yield from received.exactly(int(size[1], 16))))
        if (yield from received.exactly(2)) != b"\r\n":
            raise BadResponse(NO_ANSWER, "the answer has a chunk longer than its announced size")
    while (yield from received.until(b"\r\n")):  # trailers
        pass
    return b"".join(chunks)


def _decoded(coding: str, body: bytes) -> bytes:
    coding = coding.lower()
    if coding == "identity":
        return body
    if coding not in ("gzip", "x-gzip", "deflate"):
        raise BadResponse(NO_ANSWER, f"the answer has Content-Encoding {coding!r}")
    try:
        try:
            return zlib.decompress(body, 32 + zlib.MAX_WBITS)  # a gzip or a zlib header
        except zlib.error:
            return zlib.decompress(body, -zlib.MAX_WBITS)  # "deflate" without one
    except zlib.error as error:
        raise BadResponse(NO_ANSWER, f"the answer is not {coding}: {error}") from error
