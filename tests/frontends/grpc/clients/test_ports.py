"""Where gRPC is spoken: beside HTTP/1.1 on one port, with TLS, and on a Unix socket."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fixtures import need
from fixtures.certificates import Pair, make_pair
from frontends.grpc.http2.running_echo import EchoInThread

from eas_processor.contracts.settings import EngineSettings

pytestmark = pytest.mark.medium

grpc: Any = need.module("grpc")
BOTH = ("h2", "http/1.1")
WAIT_S = 60


@contextlib.contextmanager
def running(settings: EngineSettings | None = None, **how: Any) -> Iterator[EchoInThread]:
    echo = EchoInThread(settings, **how)
    try:
        yield echo
    finally:
        echo.stop()


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    need.path_of("openssl")
    return make_pair(tmp_path_factory.mktemp("pair"), "server")


def echoes(channel: Any) -> bool:
    with channel:
        stub = channel.unary_unary("/test.Echo/Echo")
        return stub(b"hello", timeout=WAIT_S) == b"hello"


def status_of(connection: http.client.HTTPConnection) -> int:
    connection.request("GET", "/healthz")
    status = connection.getresponse().status
    connection.close()
    return status


def test_one_port_speaks_http_and_grpc() -> None:
    with running() as echo:
        host, port = echo.address
        assert echoes(grpc.insecure_channel(f"{host}:{port}"))
        assert status_of(http.client.HTTPConnection(host, port, timeout=WAIT_S)) == 200


@pytest.mark.parametrize("first", [b"PUT /x", b"PRI", b"P", b"GET /healthz"])
def test_a_client_that_hesitates_is_understood(first: bytes) -> None:
    """The first bytes of both begin alike, and come one by one"""
    rest = {
        b"PRI": b" * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0",
        b"P": b"OST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n",
    }.get(first, b" HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n")
    with running() as echo, socket.create_connection(echo.address, WAIT_S) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in first + rest:
            client.sendall(bytes([byte]))
        expected = b"\0\0" if first == b"PRI" else b"HTTP/1.1"
        assert client.recv(1000).startswith(expected)


def test_one_port_speaks_both_with_tls(pair: Pair) -> None:
    settings = EngineSettings(port=0, tls_cert=pair.cert, tls_key=pair.key)
    with running(settings, alpn=BOTH) as echo:
        host, port = echo.address
        credentials = grpc.ssl_channel_credentials(pair.cert.read_bytes())
        assert echoes(grpc.secure_channel(f"{host}:{port}", credentials))
        trusting = ssl.create_default_context(cafile=str(pair.cert))
        assert status_of(http.client.HTTPSConnection(host, port, context=trusting)) == 200
        trusting.set_alpn_protocols([*BOTH])
        raw = socket.create_connection(echo.address, WAIT_S)
        with trusting.wrap_socket(raw, server_hostname=host) as client:
            assert client.selected_alpn_protocol() == "h2"


def test_clients_without_a_certificate_are_not_let_in(pair: Pair, tmp_path: Path) -> None:
    own = make_pair(tmp_path, "client")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.cert, pair.key)
    context.load_verify_locations(own.cert)
    context.verify_mode = ssl.CERT_REQUIRED
    context.set_alpn_protocols([*BOTH])
    with running(context=context) as echo:
        address = "{}:{}".format(*echo.address)
        root = pair.cert.read_bytes()
        known = grpc.ssl_channel_credentials(root, own.key.read_bytes(), own.cert.read_bytes())
        assert echoes(grpc.secure_channel(address, known))
        with pytest.raises(grpc.RpcError) as refused:
            echoes(grpc.secure_channel(address, grpc.ssl_channel_credentials(root)))
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE


def test_a_unix_socket(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with running(path=str(path)):
        assert echoes(grpc.insecure_channel(f"unix:{path}"))
    assert not path.exists()


def test_a_unix_socket_is_taken_over(tmp_path: Path) -> None:
    """As TensorFlow Serving does; whoever ends later leaves that of another alone"""
    path = tmp_path / "socket"
    first = EchoInThread(path=str(path))
    with running(path=str(path)):
        first.stop()
        assert echoes(grpc.insecure_channel(f"unix:{path}"))
    assert not path.exists()
