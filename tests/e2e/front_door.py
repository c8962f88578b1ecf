"""The engine in a process of its own, without TensorFlow, and clients that send what they like."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from fixtures.engine import Response

TESTS = Path(__file__).parents[1]
PATIENCE_S = 60.0
LAST = b"GET /healthz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
"""A request after which the server closes, so that all it has to say can be read to the end."""


class Engine:
    """An engine whose processor is tests/processors/echo.py unless `hooks` names another."""

    def __init__(
        self,
        directory: Path,
        *,
        hooks: str = str(TESTS / "processors" / "echo.py"),
        threads: int = 1,
        engine: dict[str, Any] | None = None,
        **service: Any,
    ) -> None:
        options = {
            "worker": {"hooks": hooks, "model_config": "", "threads": threads, "batch_size": 1},
            "engine": {"port": 0, **(engine or {})},
            "service": {"token": "", "keepalive": PATIENCE_S, **service},
        }
        self._log = directory / "stderr"
        with self._log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(TESTS / "fixtures" / "serve.py"), json.dumps(options)],
                env={**os.environ, "TMPDIR": str(directory), "EAS_HOME": str(directory)},
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self._address: tuple[str, int] | None = None

    @property
    def address(self) -> tuple[str, int]:
        """Host and port, once it is ready."""
        if self._address is None:
            assert self.process.stdout is not None
            line = self.process.stdout.readline()
            assert line, f"it is not ready: {self.log}"
            self._address = host_and_port(line)
        return self._address

    @property
    def log(self) -> str:
        return self._log.read_text()

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


class Client:
    """A connection on which a test sends what it likes."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.socket = socket.create_connection(address, PATIENCE_S)
        self._received = b""

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def ask(self, data: bytes) -> Response:
        """Send a request and read its response."""
        self.send(data)
        return self.response()

    def response(self) -> Response:
        """Read the next response."""
        while (cut := _cut(self._received)) is None:
            piece = self.socket.recv(1 << 18)
            assert piece, f"the connection ended after {self._received!r}"
            self._received += piece
        response, self._received = cut
        return response

    def rest(self, *, of_head: bool = False) -> list[Response]:
        """Read to the end of the connection; `of_head`: the first response is to a HEAD request."""
        while piece := self.socket.recv(1 << 18):
            self._received += piece
        responses: list[Response] = []
        while self._received:
            cut = _cut(self._received, bodiless=of_head and not responses)
            assert cut, f"half a response: {self._received!r}"
            responses.append(cut[0])
            self._received = cut[1]
        return responses


def _cut(raw: bytes, *, bodiless: bool = False) -> tuple[Response, bytes] | None:
    """Return the first response in `raw` and what follows it, or None if it is not whole."""
    head, separator, rest = raw.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, value in (line.split(": ") for line in lines)}
    length = 0 if bodiless else int(headers.get("content-length", 0))
    if not separator or len(rest) < length:
        return None
    assert first.startswith("HTTP/1.1 ")
    return Response(int(first.split(" ")[1]), headers, rest[:length]), rest[length:]


def host_and_port(url: str) -> tuple[str, int]:
    parts = urlsplit(url.strip())
    assert parts.hostname is not None and parts.port is not None
    return parts.hostname, parts.port


def post(body: bytes, *lines: str, name: str = "echo") -> bytes:
    """Return a POST to the service `name`, with further header lines."""
    head = [f"POST /api/predict/{name} HTTP/1.1", "Host: h", f"Content-Length: {len(body)}"]
    return "\r\n".join([*head, *lines, "", ""]).encode() + body


def peak_memory(pid: int) -> int:
    """Return the most bytes that the process and those under it have each had in memory, summed."""
    return sum(_peak(each) for each in _family(pid))


def _family(pid: int) -> Iterator[int]:
    yield pid
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        yield from _family(int(child))


def _peak(pid: int) -> int:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found.group(1)) * 1024 if found else 0
