"""
Odd requests, most of them legal, put to the engine and to h11, an HTTP/1.1 parser of other hands.

Where one takes a request that the other refuses, or reads another body from the same bytes, the two
could be the ends of a smuggled request. Each difference that there is has its reason here.
"""

from __future__ import annotations

from collections.abc import Iterator

import h11
import pytest
from e2e.front_door import LAST, Client, Engine

REFUSED = "refused"
UNFINISHED = "unfinished"
TAKEN = {200, 401, 404, 405}
"""Statuses of requests that were understood, whatever became of them then."""

PREDICT = "POST /api/predict/echo HTTP/1.1\r\nHost: h\r\n"
ONE_CHUNK = "5\r\nhello\r\n0\r\n\r\n"


def start(line: str) -> bytes:
    return f"{line}\r\nHost: h\r\n\r\n".encode()


def method(name: str) -> bytes:
    return start(f"{name} /healthz HTTP/1.1")


def target(text: str) -> bytes:
    return start(f"GET {text} HTTP/1.1")


def version(text: str) -> bytes:
    return start(f"GET /healthz {text}")


def lines(text: str) -> bytes:
    return start(f"GET /healthz HTTP/1.1\r\n{text}")


def host(line: str) -> bytes:
    return f"GET /healthz HTTP/1.1\r\n{line}\r\n\r\n".encode()


def length(text: str) -> bytes:
    return f"{PREDICT}{text}\r\n\r\nhello".encode()


def coding(text: str) -> bytes:
    return f"{PREDICT}{text}\r\n\r\n{ONE_CHUNK}".encode()


def chunks(text: str) -> bytes:
    return f"{PREDICT}Transfer-Encoding: chunked\r\n\r\n{text}".encode()


def chunk_head(text: str) -> bytes:
    return chunks(f"{text}\r\nhello\r\n0\r\n\r\n")


def trailer(text: str) -> bytes:
    return chunks(f"5\r\nhello\r\n0\r\n{text}\r\n\r\n")


# fmt: off
ALIKE = [
    *map(method, [
        "GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT", "PROPFIND",
        "SEARCH", "M-SEARCH", "QUERY", "PURGE", "GET/", "G(T", "G\tT", '"GET"', "G\N{SNOWMAN}T", "",
    ]),
    *map(target, [
        "/", "/healthz", "/healthz/", "/healthz?", "/healthz?a=b&c=d", "/healthz?a=%00", "/??",
        "/healthz;a=b", "/healthz#part", "/healthz%3F", "/%68ealthz", "/%", "/%zz", "/%E4%BD%A0",
        "//healthz", "/./healthz", "/../healthz", "/a//b", "/a/../../../etc/passwd", "/~a/b_c-d.e",
        "/a+b", "/a,b", "/a:b@c", "/a|b", "/a^b", "/a`b", "/a{b}", "/a[0]", "/a'b", '/a"b', "/a\\b",
        "/<b>", "/?a=[1]", "/?a=b|c", "/" + "a" * 8000, "/" + "a/" * 4000, "/?" + "a=b&" * 1900,
        "/healthz\t", "/a\x01", "/a\x7f", "/\N{SNOWMAN}", "/a b", "*", "", "//h/healthz",
        "http://h/healthz", "http://other:80/healthz", "HTTP://h/healthz", "https://h/healthz",
        "http://h", "http://h?a=b", "http://u:p@h/healthz", "http://[::1]/healthz", "ftp://h/a",
        "http://", "http:///healthz",
    ]),
    *map(version, [
        "HTTP/1.0", "HTTP/1", "HTTP/1.", "HTTP/.1", "HTTP/11", "HTTP/1.10", "HTTP/01.1",
        "HTTP/1.1 ", "HTTP /1.1", "http/1.1", "Http/1.1", "HTTPS/1.1", "ICE/1.0", "", "1.1",
    ]),
    *map(lines, [
        "A: b", "A:b", "A:", "A: ", "A:  b  ", "A:\tb\t", "A: b c", "A: b\tc", "A: b,, c", "A: :b",
        "A : b", "A\t: b", " A: b", "\tA: b", ": b", ":", "A", "A b: c", "A: \N{SNOWMAN}",
        "\N{SNOWMAN}: b", "A: b\0", "A\0: b", "A: b\rC: d", "A(: b", "A/B: c", "A_B: c", "A.B: c",
        "1: 2", "!#$%&'*+-.^_`|~: b",
        "a: b\r\nA: c", "A: " + "b" * 5000, "A" * 500 + ": b", "\r\n".join(["A: b"] * 90),
        "Connection: close", "connection: CLOSE", "Connection: keep-alive", "Connection:",
        "Connection: keep-alive, close", "Connection: A", "Connection: close\r\nConnection: A",
        "Keep-Alive: timeout=5", "Proxy-Connection: close", "TE: trailers", "Trailer: A",
        "Upgrade: h2c", "Connection: Upgrade\r\nUpgrade: websocket",
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings:",
        "Date: now", "Accept: */*\r\nAccept: a/b", "Content-Type:", "Content-Encoding: IDENTITY ",
        "Cookie: a=b; c=d\r\nCookie: e", "X-Forwarded-For: 1.2.3.4", "X-Request-Id: a b",
        "Range: bytes=0-1", "If-None-Match: *",
    ]),
    *map(host, [
        "Host: h", "host: h", "HOST:h", "Host:", "Host: h:80", "Host: [::1]:80",
        "Host: \N{SNOWMAN}", "Host: h\r\nHost: h", "Host: h\r\nhost: g", "Host: h, g", "Host: a b",
        "Host: h/p", "Host : h", "Hos: h",
    ]),
    *map(length, [
        "Content-Length: 5", "content-length:5", "CONTENT-LENGTH: 5", "Content-Length:   5  ",
        "Content-Length: 05", "Content-Length: 000000005", "Content-Length: +5",
        "Content-Length: -5", "Content-Length: 5.0", "Content-Length: 0x5", "Content-Length: 5e0",
        "Content-Length: five", "Content-Length:", "Content-Length: 5 5", "Content-Length: 5, 6",
        "Content-Length: 5\r\ncontent-length: 6", "Content-Length: 5;", 'Content-Length: "5"',
        "Content-Length: \N{ARABIC-INDIC DIGIT FIVE}", "Content-Length : 5",
        "Content-Length: 5\r\nTE: chunked",
        "Content-Length: 5\r\nExpect: 100-continue", "Content-Length: 5\r\nExpect: 200-ok",
        "Content-Length: 5\r\nConnection: Upgrade\r\nUpgrade: h2c",
        "Content-Length: 5\r\nTransfer-Encoding: identity",
    ]),
    *map(coding, [
        "Transfer-Encoding: chunked", "transfer-encoding: CHUNKED", "Transfer-Encoding:chunked",
        "Transfer-Encoding:  chunked  ", "Transfer-Encoding:\tchunked",
        "Transfer-Encoding: chunked, chunked", "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: chunked, gzip", "Transfer-Encoding: identity, chunked",
        "Transfer-Encoding: identity", "Transfer-Encoding: gzip", "Transfer-Encoding:",
        "Transfer-Encoding: xchunked", "Transfer-Encoding: chunkedx", "Transfer-Encoding: chunked,",
        "Transfer-Encoding: chunked;a=b", "Transfer-Encoding: , chunked",
        'Transfer-Encoding: "chunked"', "Transfer-Encoding: \x0bchunked",
        "Transfer-Encoding: chun ked", "Transfer-Encoding : chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip",
        "Transfer-Encoding: chunked\r\nExpect: 100-continue",
        "Transfer-Encoding: chunked\r\nTrailer: A",
    ]),
    *map(chunk_head, [
        "05", "000000005", "5;a", "5;a=", "5;a=b", '5;a="b c"', '5;a=";"', "5;a=b;c=d", "5 ;a=b",
        "5;" + "a" * 2000, "5;a\nb", " 5", "+5", "-5", "0x5", "5h", "", "5,5", "5.0",
        "5\r", "4", "6",
    ]),
    *map(trailer, [
        "A: b", "A: b\r\nC:", "Host: g", "Authorization: x", "A : b", "A",
    ]),
    *map(chunks, [
        "0\r\n\r\n", "0;a=b\r\n\r\n", "000\r\n\r\n", "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
        "A\r\nhellohello\r\n0\r\n\r\n", "a\r\nhellohello\r\n0\r\n\r\n",
        "5\nhello\n0\n\n", "5\r\nhello\n0\r\n\r\n",
        "5\rhello\r\n0\r\n\r\n", "5\r\nhello0\r\n\r\n",
    ]),
    start(" GET /healthz HTTP/1.1"),
    start("\tGET /healthz HTTP/1.1"),
    start("\0GET /healthz HTTP/1.1"),
    start("GET\t/healthz\tHTTP/1.1"),
    start("GET /healthz"),
    b"GET /healthz HTTP/1.1\rHost: h\r\r",
    b"GET /healthz HTTP/1.1\r\n\r\n",
    b"GET /healthz HTTP/1.0\r\n\r\n",
    b"GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    b"GET /healthz HTTP/1.0\r\nHost: h\r\nHost: h\r\n\r\n",
    b"GET /nowhere HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello",
    b"POST /api/predict/echo HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello",
    f"{PREDICT}\r\n".encode(),
    f"{PREDICT}Content-Length: 0\r\n\r\n".encode(),
    f"{PREDICT}Content-Length: 5\r\n\r\n\r\n\r\n\r".encode(),
]

REFUSED_HERE = {
    "methods that HTTP does not have are not answered, so the parser knows only those it has":
        [*map(method, ["get", "Get", "BREW", "X", "G-T", "A.B"])],
    "a target is a path, a URL or `*` (RFC 9112, 3.2); h11 does not look":
        [*map(target, ["healthz", "?a", "h:80", "http:/healthz"])],
    "versions other than 1.0 and 1.1 are not spoken here; h11 leaves that to its user":
        [*map(version, ["HTTP/1.2", "HTTP/1.9", "HTTP/2.0", "HTTP/0.9", "HTTP/3.0"])],
    "folded lines are refused, as RFC 9112, 5.2 lets a server do; h11 unfolds them":
        [*map(lines, ["A: b\r\n c", "A: b\r\n\tc", "A: \r\n b"]),
         coding("Transfer-Encoding:\r\n chunked"), trailer("A: b\r\n c")],
    "a line ends in CRLF; to take LF alone, as h11 does, has been the way in of many an attack":
        [lines("A: b\nC: d"), b"GET /healthz HTTP/1.1\nHost: h\n\n",
         host("Host: h\n"), chunks("5\r\nhello\r\n0\r\n\n")],
    "control characters have no place in a value (RFC 9110, 5.5); h11 refuses NUL alone":
        [*map(lines, ["A: b\x01", "A: b\x7f"])],
    "one length is sent once: a proxy in front might read a list of them in another way":
        [*map(length, ["Content-Length: 5, 5", "Content-Length: 5,5",
                       "Content-Length: 5\r\nContent-Length: 5"])],
    "length with chunks is how requests are smuggled (RFC 9112, 6.3); h11 forgets the length":
        [*map(coding, ["Transfer-Encoding: chunked\r\nContent-Length: 5",
                       "Content-Length: 5\r\nTransfer-Encoding: chunked"]),
         trailer("Content-Length: 5")],
    "no body is of 2**64 bytes or more; h11 begins to wait for it":
        [length("Content-Length: 99999999999999999999"), chunk_head("f" * 17)],
    "HTTP/1.0 has no chunks, and a proxy that speaks it does not see them (RFC 9112, 6.1)":
        [coding("Transfer-Encoding: chunked").replace(b"1.1", b"1.0")],
    "the parser overlooks `chunked` with a tab behind it":
        [coding("Transfer-Encoding: chunked\t")],
    "whitespace beside a chunk size is only for senders that are broken (RFC 9112, 7.1.1)":
        [*map(chunk_head, ["5 ", "5\t", "5; a=b"])],
    "a chunk extension has a name, and nothing is left open in it; h11 skips them unread":
        [*map(chunk_head, ["5;", "5;;", '5;a="b', "5;a\0"])],
    "Expect announces a body, whose length is missing (411)":
        [*map(lines, ["Expect: 100-continue", "Expect: 200-ok"])],
    "a coding of the body that is not known here (415)":
        [lines("Content-Encoding: br")],
    "of two of these a proxy in front might have obeyed the other; h11 leaves that to its user":
        [*map(lines, ["Authorization: a\r\nAuthorization: b",
                      "Content-Encoding: gzip\r\nContent-Encoding: gzip"])],
}

TAKEN_HERE = {
    "empty lines before a request are skipped, as RFC 9112, 2.2 asks of servers":
        [start("\r\nGET /healthz HTTP/1.1"), start("\r\n\r\n\r\nGET /healthz HTTP/1.1"),
         start("\nGET /healthz HTTP/1.1")],
    "more than one space in the request line is taken, as RFC 9112, 3 lets a server do":
        [start("GET  /healthz HTTP/1.1"), start("GET /healthz  HTTP/1.1")],
    "the parser knows RTSP, whose requests have the same form; they are answered as HTTP/1.0":
        [version("RTSP/1.0")],
}
# fmt: on


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    engine = Engine(tmp_path_factory.mktemp("engine"))
    yield engine
    engine.kill()


def test_both_take_or_refuse_the_same(engine: Engine) -> None:
    assert [wire for wire in ALIKE if not same(seen_here(engine, wire), seen_by_h11(wire))] == []


def test_what_only_the_engine_refuses(engine: Engine) -> None:
    wires = [wire for group in REFUSED_HERE.values() for wire in group]
    assert [wire for wire in wires if seen_here(engine, wire)[0] != REFUSED] == []
    assert [wire for wire in wires if seen_by_h11(wire)[0] == REFUSED] == []


def test_what_only_the_engine_takes(engine: Engine) -> None:
    wires = [wire for group in TAKEN_HERE.values() for wire in group]
    assert [wire for wire in wires if seen_here(engine, wire)[0] == REFUSED] == []
    assert [wire for wire in wires if seen_by_h11(wire)[0] != REFUSED] == []


def same(here: list[str], there: list[str]) -> bool:
    """Whether both saw the same requests; either may have ended the connection before the other."""
    return all(one == other for one, other in zip(here, there, strict=False))


def seen_here(engine: Engine, wire: bytes) -> list[str]:
    """Return what became of the requests in `wire` and of one behind them: REFUSED, or its body."""
    with Client(engine.address) as client:
        client.send(wire + LAST)
        responses = client.rest(of_head=wire.startswith(b"HEAD"))
    seen = []
    for response in responses:
        if response.status != 100:
            echoed = response.headers["content-type"] == "application/octet-stream"
            body = response.body.decode() if echoed else ""
            seen.append(body if response.status in TAKEN else REFUSED)
    return seen


def seen_by_h11(wire: bytes) -> list[str]:
    """Return the same of an h11 server that answers each request with an empty 404."""
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(wire + LAST)
    seen = []
    try:
        while connection.our_state is h11.IDLE:
            seen.append(_next_body(connection))
            connection.send(h11.Response(status_code=404, headers=[("Content-Length", "0")]))
            connection.send(h11.EndOfMessage())
            if connection.our_state is h11.DONE:
                connection.start_next_cycle()
    except h11.RemoteProtocolError:
        seen.append(REFUSED)
    except EOFError:
        seen.append(UNFINISHED)
    return seen


def _next_body(connection: h11.Connection) -> str:
    request, body = connection.next_event(), b""
    assert isinstance(request, h11.Request)
    while isinstance(event := connection.next_event(), h11.Data):
        body += bytes(event.data)
    if event is h11.NEED_DATA:
        raise EOFError
    assert isinstance(event, h11.EndOfMessage)
    return body.decode() if request.target == b"/api/predict/echo" else ""
