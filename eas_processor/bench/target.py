"""The target of a run: its address, and the bytes of each request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from eas_processor.bench.statuses import GRPC, HTTP, Statuses
from eas_processor.errors import BenchError

PROTOBUF = "application/octet-stream"
PREDICT = "/tensorflow.serving.PredictionService/Predict"
_PORTS = {"http": 80, "https": 443, "grpc": 8500, "grpcs": 8500}
_FORMS = "expected http://HOST:PORT/api/predict/SERVICE, grpc://HOST:PORT/MODEL or a service file"


@dataclass(frozen=True)
class Target:
    """An address to load. `path` includes the query, and `model` is for gRPC alone."""

    host: str
    port: int
    path: str
    tls: bool = False
    model: str = ""

    @property
    def grpc(self) -> bool:
        """Whether the target is called by gRPC."""
        return bool(self.model)

    @property
    def statuses(self) -> Statuses:
        """The statuses of its protocol."""
        return GRPC if self.grpc else HTTP

    @property
    def authority(self) -> str:
        """The value of the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.tls else 80) else f"{host}:{self.port}"


def parse_url(url: str) -> Target:
    """Return the target of a URL of http, https, grpc or grpcs. Raises BenchError."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise BenchError(f"{url!r} is not a URL: {error}") from None
    if parts.scheme not in _PORTS or not parts.hostname:
        raise BenchError(f"{url!r} is not a URL: {_FORMS}")
    tls = parts.scheme in ("https", "grpcs")
    port = port or _PORTS[parts.scheme]
    if parts.scheme.startswith("grpc"):
        model = unquote(parts.path.strip("/"))
        if not model:
            raise BenchError(f"{url!r} names no model: expected {parts.scheme}://HOST:PORT/MODEL")
        return Target(parts.hostname, port, PREDICT, tls, model)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(parts.hostname, port, path, tls)


def build_requests(
    target: Target,
    bodies: Sequence[bytes],
    *,
    token: str = "",
    content_type: str = PROTOBUF,
    headers: Mapping[str, str] | None = None,
) -> list[bytes]:
    """Return a POST for each body, with head and body in one piece. Raises BenchError."""
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
