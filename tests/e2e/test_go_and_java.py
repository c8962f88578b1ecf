"""
What the SDKs for Go and Java send, byte for byte, with the habits that are theirs alone.

The signatures are made here as those SDKs make them: over what is not always what is sent.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import hmac
import zlib
from collections.abc import Iterator

import pytest
from e2e.front_door import Client, Engine

TOKEN = b"dG9rZW4="
BODY = b"\n\x01s\x12\x12\n\x01x\x12\r\x08\x01\x12\x03\n\x01\x01\x1a\x04\x00\x00\x80?"
OCTETS = "application/octet-stream"
DATE = "Fri, 20 Nov 2026 18:32:34 GMT"  # Go's is local time, and says GMT


@pytest.fixture(scope="module")
def echo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    engine = Engine(tmp_path_factory.mktemp("echo"), token=TOKEN.decode())
    yield engine
    engine.kill()


def sign(md5: str, path: str, token: bytes = TOKEN) -> str:
    """Both sign `application/octet-stream`, whatever they send."""
    text = f"POST\n{md5}\n{OCTETS}\n{DATE}\n{path}".encode()
    return "EAS " + base64.b64encode(hmac.new(token, text, hashlib.sha1).digest()).decode()


def go(body: bytes, *, path: str = "/api/predict/echo", signed: str = "", **changed: str) -> bytes:
    """Return what `eas-golang-sdk` sends; `changed` are headers of `AddHeader`."""
    md5 = hashlib.md5(body).hexdigest()
    own = {"Content-Type": OCTETS}
    own.update((name.replace("_", "-"), value) for name, value in changed.items())
    head = [
        f"POST {path} HTTP/1.1",
        "Host: 127.0.0.1:8080",
        "User-Agent: Go-http-client/1.1",
        f"Content-Length: {len(body)}",
        f"Authorization: {sign(md5, signed or path)}",
        f"Content-Md5: {md5}",
        *(f"{name}: {value}" for name, value in own.items()),
        f"Date: {DATE}",
        "Accept-Encoding: gzip",
    ]
    return "\r\n".join([*head, "", ""]).encode() + body


def java(
    body: bytes, *, path: str = "/api/predict/echo", md5: str = "", content_type: str = OCTETS
) -> bytes:
    """Return what `eas-java-sdk` sends."""
    # `new BigInteger(1, digest).toString(16)`
    md5 = md5 or f"{int(hashlib.md5(body).hexdigest(), 16):x}"
    head = [
        f"POST {path} HTTP/1.1",
        f"Content-MD5: {md5}",
        f"Date: {DATE}",
        f"Content-Type: {content_type}",
        "Client-Timestamp: 1790000000000",
        f"Authorization: {sign(md5, path)}",
        f"Content-Length: {len(body)}",
        "Host: 127.0.0.1:8080",
        "Connection: Keep-Alive",
        "User-Agent: Apache-HttpAsyncClient/4.1.4 (Java/1.8.0_392)",
    ]
    return "\r\n".join([*head, "", ""]).encode() + body


ZEROS = next(
    body
    for body in (b"%d" % number for number in range(100_000))
    if hashlib.md5(body).hexdigest().startswith("000")
)

LET_IN = {
    "Go": (go(BODY), BODY),
    "Go, a Content-Type of one's own": (go(BODY, Content_Type="application/x-protobuf"), BODY),
    "Go, the first call to svc/": (go(BODY, signed="/api/predict/echo/"), BODY),
    "Go, the first call to svc/ with a request path": (
        go(BODY, path="/api/predict/echo/v1", signed="/api/predict/echo//v1"),
        BODY,
    ),
    "Go, both": (go(BODY, signed="/api/predict/echo/", Content_Type="text/plain"), BODY),
    # To a processor of one's own, which decompresses as it likes.
    "Go, SetCompressType(Gzip)": (go(gzip.compress(BODY, mtime=0)), gzip.compress(BODY, mtime=0)),
    "Go, SetCompressType(Zlib)": (go(zlib.compress(BODY)), zlib.compress(BODY)),
    "Go, Gzip with its header": (go(gzip.compress(BODY), Content_Encoding="gzip"), BODY),
    "Java": (java(BODY), BODY),
    "Java, setContentType": (java(BODY, content_type="application/x-protobuf"), BODY),
    "Java, an MD5 that begins with zeros": (java(ZEROS), ZEROS),
    "Java, setIsCompressed: the MD5 of other bytes": (
        java(BODY, md5=hashlib.md5(b"\x1a\x68" + BODY).hexdigest()),
        BODY,
    ),
    "Java, CallConfig with path and query": (
        java(BODY, path="/api/predict/echo/v1?a=b%20c"),
        BODY,
    ),
}


@pytest.mark.parametrize("name", LET_IN)
def test_let_in(echo: Engine, name: str) -> None:
    wire, expected = LET_IN[name]
    with Client(echo.address) as client:
        answer = client.ask(wire)
        assert (answer.status, answer.body) == (200, expected)
        assert client.ask(wire).status == 200  # on the same connection


@pytest.mark.parametrize("signed", ["/api/predict/other/", "/api/predict/echo//v1"])
def test_another_path_is_a_wrong_token(echo: Engine, signed: str) -> None:
    with Client(echo.address) as client:
        answer = client.ask(go(BODY, signed=signed))
    assert answer.status == 401
    assert answer.body.startswith(b"wrong token: the `EAS` signature was not made")
