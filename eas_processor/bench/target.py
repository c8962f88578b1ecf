"""What is asked, and of whom: an address, and the bytes of each request as they are sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from eas_processor.errors import BenchError

PROTOBUF = "application/octet-stream"


@dataclass(frozen=True)
class Target:
    """Where requests go: `path` has the query with it."""

    host: str
    port: int
    path: str
    tls: bool = False

    @property
    def authority(self) -> str:
        """The value of the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.tls else 80) else f"{host}:{self.port}"


def parse_url(url: str) -> Target:
    """Return the target of an http or https URL; raises BenchError."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise BenchError(f"{url!r} is not a URL: {error}") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise BenchError(
            f"{url!r} is not a URL: expected http://HOST:PORT/api/predict/SERVICE or a service file"
        )
    tls = parts.scheme == "https"
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(parts.hostname, port or (443 if tls else 80), path, tls)


def build_requests(
    target: Target,
    bodies: Sequence[bytes],
    *,
    token: str = "",
    content_type: str = PROTOBUF,
    headers: Mapping[str, str] | None = None,
) -> list[bytes]:
    """Return a POST for each body, head and body in one piece; raises BenchError."""
    fields = {"Host": target.authority, "Content-Type": content_type}
    if token:
        fields["Authorization"] = token
    fields.update(headers or {})
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    try:
        head = f"POST {target.path} HTTP/1.1\r\n{lines}".encode("ascii")
    except UnicodeEncodeError:
        raise BenchError("URL, token and content type must be ASCII") from None
    if head.count(b"\n") != len(fields) + 1:
        raise BenchError("URL, token and content type must not have line breaks in them")
    return [b"%bContent-Length: %d\r\n\r\n%b" % (head, len(body), body) for body in bodies]
