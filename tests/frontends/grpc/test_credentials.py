"""TLS contexts of PEM texts: a handshake with each kind of client, and texts that are wrong."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path

import pytest
from fixtures import need
from fixtures.certificates import Pair, make_pair

from eas_processor.errors import StartError
from eas_processor.frontends.grpc.credentials import context_of

pytestmark = need.tool("openssl")


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return make_pair(tmp_path_factory.mktemp("grpc-tls"), "first")


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return make_pair(tmp_path_factory.mktemp("grpc-tls"), "second")


def shake(server: ssl.SSLContext, client: ssl.SSLContext) -> str | None:
    """Do a handshake in memory, and one byte after it; return the protocol that was agreed on."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    one = client.wrap_bio(to_client, to_server, server_hostname="localhost")
    two = server.wrap_bio(to_server, to_client, server_side=True)
    waiting = {one, two}
    for _ in range(10):
        for side in waiting.copy():
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            waiting.discard(side)
    assert not waiting
    one.write(b"x")
    assert two.read(1) == b"x"
    return one.selected_alpn_protocol()


def client_of(pair: Pair) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(pair.cert))
    context.check_hostname = False
    context.set_alpn_protocols(["h2"])
    return context


def text_of(path: Path) -> str:
    return path.read_text("ascii")


def test_a_client_agrees_on_http2(pair: Pair) -> None:
    context = context_of(text_of(pair.key), text_of(pair.cert))
    assert shake(context, client_of(pair)) == "h2"


def test_a_client_without_a_certificate_is_refused_where_one_is_asked_for(pair: Pair) -> None:
    key, cert = text_of(pair.key), text_of(pair.cert)
    context = context_of(key, cert, cert, verifies=True)
    with pytest.raises(ssl.SSLError, match="certificate"):
        shake(context, client_of(pair))
    client = client_of(pair)
    client.load_cert_chain(pair.cert, pair.key)
    assert shake(context, client) == "h2"


def test_a_certificate_of_another_authority_is_refused(pair: Pair, other: Pair) -> None:
    context = context_of(text_of(pair.key), text_of(pair.cert), text_of(pair.cert), verifies=True)
    client = client_of(pair)
    client.load_cert_chain(other.cert, other.key)
    with pytest.raises(ssl.SSLError):
        shake(context, client)


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("other", "server_key: does not belong to server_cert"),
        ("none", "server_cert and server_key cannot be used"),
        ("encrypted", "server_key: the key is encrypted"),
    ],
)
def test_a_key_that_is_wrong_is_said(pair: Pair, other: Pair, key: str, said: str) -> None:
    if key == "other":
        text = text_of(other.key)
    elif key == "none":
        text = "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----"
    else:
        command = ["openssl", "pkey", "-in", str(pair.key), "-aes256", "-passout", "pass:secret"]
        text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    with pytest.raises(StartError, match=said):
        context_of(text, text_of(pair.cert))


def test_an_authority_that_is_none_is_said(pair: Pair) -> None:
    with pytest.raises(StartError, match="custom_ca: expected the PEM text"):
        context_of(text_of(pair.key), text_of(pair.cert), "no certificate", verifies=True)
