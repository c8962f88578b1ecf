from __future__ import annotations

import os
import socket
import ssl
import subprocess
import threading
import time

import pytest
from fixtures import need

from eas_prediction import _http
from eas_prediction._transport import PooledTransport
from eas_prediction.exception import (
    ConnectionLost,
    InvalidRequest,
    TimedOut,
    Untrusted,
)


@pytest.fixture
def transport():
    transport = PooledTransport()
    yield transport
    transport.close()


def post(transport, service, body=b"body", timeout=10.0, path="/api/predict/svc"):
    return transport.send("POST", service.address + path, {"X-Mine": "1"}, body, timeout)


def ports(service):
    return {request.peer for request in service.requests}


def test_sends_what_it_is_given(service, transport):
    service.answers = [service.status(201, b"made", X_Theirs="2")]
    status, headers, body = post(transport, service, b"a\0b", path="/a/b?c=d")
    assert (status, headers["x-theirs"], body) == (201, "2", b"made")
    (received,) = service.requests
    assert (received.method, received.path, received.body) == ("POST", "/a/b?c=d", b"a\0b")
    assert received.headers["x-mine"] == "1"
    assert received.headers["content-length"] == "3"


def test_an_empty_body_has_a_length_too(service, transport):
    post(transport, service, b"")
    assert service.requests[0].headers["content-length"] == "0"


@pytest.mark.parametrize("status", [204, 302, 401, 429, 450, 500, 503, 504])
def test_every_status_is_an_answer(service, transport, status):
    service.answers = [service.status(status, Location="/elsewhere")]
    assert post(transport, service)[0] == status
    assert len(service.requests) == 1


def test_a_connection_serves_many_requests(service, transport):
    for status in (200, 450, 500, 302, 200):
        service.answers = [service.status(status, b"x" * 100_000)]
        post(transport, service)
    assert len(ports(service)) == 1


def test_a_connection_that_the_service_closed_is_not_used(service, transport):
    service.answers = [service.status(200, b"last", Connection="close")]
    post(transport, service)
    assert post(transport, service)[2] == b"fine"
    assert len(ports(service)) == 2


def test_never_more_connections_than_allowed(service):
    transport = PooledTransport(max_connections=2)
    both_in = threading.Barrier(3)

    def answer_when_two_are_in(handler):
        both_in.wait()
        service.status(200)(handler)

    service.answers = [answer_when_two_are_in] * 2
    threads = [threading.Thread(target=post, args=(transport, service)) for _ in range(5)]
    for thread in threads:
        thread.start()
    both_in.wait()
    for thread in threads:
        thread.join()
    assert len(service.requests) == 5
    assert len(ports(service)) == 2


def test_waiting_for_a_connection_counts_as_time(service):
    transport = PooledTransport(max_connections=1)
    arrived, leave = threading.Event(), threading.Event()

    def hold(handler):
        arrived.set()
        leave.wait()
        service.status(200)(handler)

    service.answers = [hold]
    busy = threading.Thread(target=post, args=(transport, service))
    busy.start()
    arrived.wait()
    with pytest.raises(TimedOut, match="all 1 connections were busy"):
        post(transport, service, timeout=0.1)
    leave.set()
    busy.join()


def test_a_failed_request_gives_its_connection_back(service):
    transport = PooledTransport(max_connections=1)
    service.answers = [service.cut]
    with pytest.raises(ConnectionLost):
        post(transport, service)
    assert post(transport, service)[2] == b"fine"


@pytest.mark.parametrize("answer", ["cut", "cut_in_the_body"])
def test_a_cut_connection(service, transport, answer):
    service.answers = [getattr(service, answer)]
    with pytest.raises(ConnectionLost, match=r"/api/predict/svc: the connection was lost"):
        post(transport, service)


@pytest.mark.parametrize("answer", ["silence", "drip"])
def test_the_timeout_is_for_everything_together(service, transport, answer):
    service.answers = [getattr(service, answer)]
    with pytest.raises(TimedOut, match=r"no answer within 0.2 s \(see set_timeout\)"):
        post(transport, service, timeout=0.2)


def test_bytes_that_never_pause_do_not_outlast_the_timeout(monkeypatch):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"HTTP/1.1 200 OK\r\n")
        patience = _http.Patience(deadline=105.0)
        clock = iter([104.9, 105.1])  # before the first bytes, and before the next
        monkeypatch.setattr(time, "monotonic", lambda: next(clock))
        with pytest.raises(socket.timeout):
            _http.receive(ours, patience)


def test_a_read_timeout_is_for_silence_and_can_be_tried_again(service):
    transport = PooledTransport(read_timeout=0.1)
    service.answers = [service.silence]
    with pytest.raises(TimedOut, match="no answer within its timeout") as error:
        post(transport, service)
    assert error.value.transient


def test_a_connect_timeout(service):
    with socket.socket() as full:  # nobody accepts: the second handshake waits
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        url = f"http://127.0.0.1:{full.getsockname()[1]}/x"
        waiting = []
        for _ in range(4):
            waiting.append(socket.socket())
            waiting[-1].setblocking(False)
            waiting[-1].connect_ex(full.getsockname())
        transport = PooledTransport(connect_timeout=0.1)
        with pytest.raises(TimedOut, match="no connection within its timeout") as error:
            transport.send("POST", url, {}, b"", 10)
        for each in waiting:
            each.close()
    assert error.value.transient


def test_nobody_listens(transport):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/x"
    with pytest.raises(ConnectionLost, match=r"could not connect: .*refused"):
        transport.send("POST", url, {}, b"", 10)


@pytest.mark.parametrize("url", ["", "ftp://h/x", "http://", "http://[::1/x", "h:99999999/x"])
def test_addresses_that_are_none(transport, url):
    with pytest.raises(InvalidRequest, match="expected an address such as http"):
        transport.send("POST", url, {}, b"", 10)


def test_impossible_limits(transport):
    with pytest.raises(InvalidRequest, match="max_connections: expected 1 or more, got 0"):
        transport.limit(0)


def test_closed_it_opens_anew(service, transport):
    post(transport, service)
    transport.close()
    assert post(transport, service)[2] == b"fine"
    assert len(ports(service)) == 2


def test_a_forked_child_has_connections_of_its_own(service, transport):
    post(transport, service)
    child = os.fork()
    if not child:
        code = 1
        try:
            code = 0 if post(transport, service)[2] == b"fine" else 1
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    post(transport, service)
    first, childs, second = (request.peer for request in service.requests)
    assert first == second != childs


@pytest.fixture
def certificate(tmp_path):
    need.path_of("openssl")
    path = tmp_path / "certificate.pem"
    command = (
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost"
        " -addext subjectAltName=IP:127.0.0.1 -keyout key.pem -out certificate.pem"
    )
    subprocess.run(command.split(), cwd=tmp_path, check=True, capture_output=True)
    return path


def behind_tls(service, certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))
    service.server.socket = context.wrap_socket(service.server.socket, server_side=True)
    service.address = service.address.replace("http://", "https://")
    service.server.handle_error = lambda *args: None  # a refused handshake is its client's affair


def test_tls(service, transport, certificate):
    behind_tls(service, certificate)
    with pytest.raises(Untrusted, match=r"(?i)certificate"):
        post(transport, service)

    trusting = PooledTransport(ca_certs=str(certificate))
    assert post(trusting, service)[2] == b"fine"
    service.answers = [service.drip]
    with pytest.raises(TimedOut):
        post(trusting, service, timeout=0.2)
    trusting.close()


@pytest.mark.usefixtures("doubted_soon")
def test_a_slow_service_behind_tls_is_no_dropped_connection(service, certificate):
    behind_tls(service, certificate)
    transport = PooledTransport(ca_certs=str(certificate))
    post(transport, service)

    def slowly(handler):
        time.sleep(0.6)  # longer than a connection is trusted
        service.status(200, b"slow")(handler)

    service.usual = slowly
    # What TLS itself sends on the second connection is no answer.
    assert post(transport, service, timeout=20)[2] == b"slow"
    (host,) = transport._hosts.values()
    assert not host._idle.doubtful
    assert len(service.requests) == 3
    transport.close()


def test_certificates_that_cannot_be_read(transport):
    transport.ca_certs = "/nowhere.pem"
    with pytest.raises(InvalidRequest, match=r"ca_certs: cannot read .*/nowhere\.pem"):
        transport.send("POST", "https://127.0.0.1:1/x", {}, b"", 10)


class TestProxy:
    def test_http_is_forwarded(self, service):
        transport = PooledTransport(proxy=service.address.replace("//", "//me:a%20b@"))
        body = transport.send("POST", "http://models.test/api/predict/svc", {}, b"x", 10)[2]
        (received,) = service.requests
        assert (body, received.path) == (b"fine", "http://models.test/api/predict/svc")
        assert received.headers["host"] == "models.test"
        assert received.headers["proxy-authorization"] == "Basic bWU6YSBi"

    def test_https_goes_through_a_tunnel(self, service, certificate):
        behind_tls(service, certificate)
        with Tunnel(service.server.server_address) as tunnel:
            transport = PooledTransport(ca_certs=str(certificate), proxy=tunnel.address)
            url = service.address + "/api/predict/svc"
            assert transport.send("POST", url, {"Authorization": "t"}, b"x", 10)[2] == b"fine"
            transport.close()
        target = service.address.replace("https://", "")
        assert tunnel.heads[0].startswith(f"CONNECT {target} HTTP/1.")
        assert "Authorization" not in tunnel.heads[0]

    @pytest.mark.parametrize("address", ["", "host:3128", "socks5://h:1"])
    def test_addresses_that_are_none(self, address):
        with pytest.raises(InvalidRequest, match="proxy: expected an address such as"):
            PooledTransport(proxy=address)

    def test_a_password_is_not_shown(self):
        with pytest.raises(InvalidRequest, match="got 'h:1'"):
            PooledTransport(proxy="https://user:password@h:1")


class Tunnel:
    """A proxy that connects everybody to one address."""

    def __init__(self, target):
        self.heads = []
        self._target = target
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen()
        self.address = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self):
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *error):
        self._listener.close()

    def _serve(self):
        near = self._listener.accept()[0]
        head = b""
        while b"\r\n\r\n" not in head:
            head += near.recv(1000)
        self.heads.append(head.decode())
        far = socket.create_connection(self._target)
        near.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
        threading.Thread(target=self._copy, args=(near, far), daemon=True).start()
        self._copy(far, near)

    @staticmethod
    def _copy(source, sink):
        try:
            for data in iter(lambda: source.recv(65536), b""):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass
