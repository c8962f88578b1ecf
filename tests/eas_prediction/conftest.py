"""A service whose every answer the test decides, and which keeps what it was sent."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

import pytest

from eas_prediction import _http


class Received(NamedTuple):
    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    peer: tuple[str, int]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        service: Service = self.server.service  # type: ignore[attr-defined]
        length = int(self.headers.get("Content-Length", 0))
        if length > service.longest_body:
            # As a gateway refuses it: at once, unread, and the connection is over.
            service.requests.append(Received(self.command, self.path, {}, b"", self.client_address))
            service.status(413, b"body larger than 1 MB")(self)
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_WR)
            while length > 0:
                read = len(self.rfile.read(min(length, 65536)))
                if not read:
                    break
                length -= read
            self.close_connection = True
            return
        body = self.rfile.read(length)
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.received = Received(self.command, self.path, headers, body, self.client_address)
        service.requests.append(self.received)
        answer = service.answers.pop(0) if service.answers else service.usual
        answer(self)

    def log_message(self, *args: Any) -> None:
        pass


class Service:
    """`answers` are given in turn, then `usual` for ever."""

    def __init__(self) -> None:
        self.requests: list[Received] = []
        self.longest_body = 1 << 40
        self.answers: list[Callable[[Handler], None]] = []
        self.usual = self.status(200, b"fine")
        self.over = threading.Event()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.service = self  # type: ignore[attr-defined]
        self.address = f"http://127.0.0.1:{self.server.server_address[1]}"

    @staticmethod
    def status(code: int, body: bytes = b"", **headers: str) -> Callable[[Handler], None]:
        def answer(handler: Handler) -> None:
            handler.send_response(code, "Because")
            for name, value in headers.items():
                handler.send_header(name.replace("_", "-"), value)
            handler.send_header("Content-Length", str(len(body)))
            handler.end_headers()
            handler.wfile.write(body)

        return answer

    @staticmethod
    def reset(handler: Handler) -> None:
        """Cut without a goodbye, as a gateway does that is killed."""
        linger = struct.pack("ii", 1, 0)
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        handler.close_connection = True

    @staticmethod
    def cut(handler: Handler) -> None:
        handler.close_connection = True

    @staticmethod
    def cut_in_the_body(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "100")
        handler.end_headers()
        handler.wfile.write(b"half")
        handler.close_connection = True

    @staticmethod
    def cut_in_the_head(handler: Handler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Le")
        handler.close_connection = True

    @staticmethod
    def cut_in_a_chunk(handler: Handler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nhalf")
        handler.close_connection = True

    @staticmethod
    def chunks(handler: Handler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        handler.wfile.write(b"2\r\nfi\r\n2\r\nne\r\n0\r\n\r\n")

    @staticmethod
    def not_http(handler: Handler) -> None:
        handler.wfile.write(b"220 mail.example ESMTP\r\n\r\n")
        handler.close_connection = True

    @staticmethod
    def close_silently_afterwards(handler: Handler) -> None:
        Service.status(200, b"last")(handler)
        handler.close_connection = True

    def silence(self, handler: Handler) -> None:
        self.over.wait()
        handler.close_connection = True

    def drip(self, handler: Handler) -> None:
        """Complete in 20 s, with a byte every 20 ms."""
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        for _ in range(1000):
            try:
                handler.wfile.write(b".")
            except OSError:
                break
            if self.over.wait(0.02):
                break
        handler.close_connection = True


@pytest.fixture
def service() -> Iterator[Service]:
    service = Service()
    thread = threading.Thread(target=service.server.serve_forever, args=(0.01,))
    thread.start()
    yield service
    service.over.set()
    service.server.shutdown()
    thread.join()
    service.server.server_close()


@pytest.fixture
def doubted_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Doubt silent connections after 0.3 s: long before a call times out on a busy machine."""
    monkeypatch.setattr(_http.Patience, "half", lambda self: 0.3)


@pytest.fixture
def given_up_soon(doubted_soon: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for a connection to a host that may be gone for 0.3 s as well."""

    def halved(self: _http.Patience) -> _http.Patience:
        return _http.Patience(time.monotonic() + 0.3, self.silence)

    monkeypatch.setattr(_http.Patience, "halved", halved)
