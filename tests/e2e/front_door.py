"""The engine in a process of its own, with a processor that needs no TensorFlow, and raw sockets."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from engine.conftest import Response, split_responses

TESTS = Path(__file__).parents[1]
PATIENCE_S = 20.0
PATH = "/api/predict/echo"
LAST = b"GET /healthz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
"""A request after which the server closes, so that all it has to say can be read to the end."""


class Engine:
    """An engine whose processor is tests/processors/echo.py unless `hooks` names another."""

    def __init__(self, directory: Path, *, hooks: str = "", threads: int = 2, **changes: Any):
        engine = {"port": 0, "drain_moment": 0.05} | changes.pop("engine", {})
        worker = {"hooks": hooks or str(TESTS / "processors" / "echo.py"), "model_config": ""}
        options = {
            "worker": worker | {"threads": threads, "batch_size": 1},
            "engine": engine,
            "service": {"token": "", "keepalive": PATIENCE_S} | changes,
        }
        self._log = directory / "stderr"
        self.process = subprocess.Popen(
            [sys.executable, str(TESTS / "engine" / "serve.py"), json.dumps(options)],
            env={**os.environ, "TMPDIR": str(directory), "EAS_HOME": str(directory)},
            stdout=subprocess.PIPE,
            stderr=self._log.open("w"),
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
            self._address = host_and_port(line.strip())
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
        self.received = b""

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def response(self) -> Response:
        """Read the next response."""
        while b"\r\n\r\n" not in self.received:
            self._receive()
        head, _, body = self.received.partition(b"\r\n\r\n")
        length = int((head + b"\r\n").lower().partition(b"content-length: ")[2].split()[0])
        while len(body) < length:
            body += self._receive()
        self.received = body[length:]
        (response,) = split_responses(head + b"\r\n\r\n" + body[:length])
        return response

    def ask(self, data: bytes) -> Response:
        """Send a request and read its response."""
        self.send(data)
        return self.response()

    def rest(self) -> list[Response]:
        """Read to the end of the connection."""
        while piece := self.socket.recv(1 << 18):
            self.received += piece
        return split_responses(self.received)

    def _receive(self) -> bytes:
        piece = self.socket.recv(1 << 18)
        assert piece, f"the connection ended after {self.received!r}"
        self.received += piece
        return piece


def host_and_port(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    assert parts.hostname is not None and parts.port is not None
    return parts.hostname, parts.port


def post(body: bytes = b"", *lines: str, path: str = PATH) -> bytes:
    """Return the bytes of a POST with further header lines."""
    head = [f"POST {path} HTTP/1.1", "Host: h", f"Content-Length: {len(body)}", *lines, "", ""]
    return "\r\n".join(head).encode() + body
