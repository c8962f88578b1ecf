"""What comes off a network and should not: the status, the sentence, and the service unharmed."""

from __future__ import annotations

import contextlib
import gzip
import json
import socket
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
from e2e import models
from e2e.conftest import Served
from e2e.front_door import LAST, PATIENCE_S, Client, Engine, host_and_port, peak_memory, post

from eas_prediction.tf_request_pb2 import ArrayProto, PredictRequest

MIB = 1024 * 1024
UNANSWERED = 0
"""The expected status where the client is gone before there is anything to answer."""


# How a client goes on after the bytes of a case


def asks_again(client: Client, wire: bytes) -> None:
    client.send(wire + LAST)


def hangs_up(client: Client, wire: bytes) -> None:
    client.send(wire)
    client.socket.shutdown(socket.SHUT_WR)


def drips(client: Client, wire: bytes) -> None:
    """Send one byte now and then, until there is an answer."""
    client.send(wire)
    client.socket.settimeout(0.05)
    while True:
        with contextlib.suppress(TimeoutError):
            assert client.socket.recv(1, socket.MSG_PEEK)
            break
        client.send(b"1")
    client.socket.settimeout(PATIENCE_S)


def pours(client: Client, wire: bytes) -> None:
    """Send 100 MiB more, in spite of the answer."""
    client.send(wire)
    # The engine reads away for 2 s; on a loaded machine that may be over before the last MiB.
    with contextlib.suppress(BrokenPipeError):
        for _ in range(100):
            client.send(bytes(MIB))


class Case(NamedTuple):
    """Bytes that come, and the answer: its status and words in its sentence."""

    name: str
    wire: bytes
    status: int
    says: str
    client: Callable[[Client, bytes], None] = asks_again


# The service is `echo`, its token is `t`; a head may take 0.3 s, a body 1 MiB, a request 1 s.

TOKEN = "Authorization: t"
CHUNKED = "Transfer-Encoding: chunked"


def get(target: str, *lines: str, method: str = "GET", version: str = "HTTP/1.1") -> bytes:
    return "\r\n".join([f"{method} {target} {version}", "Host: h", *lines, "", ""]).encode()


def framed(*lines: str, body: bytes = b"", target: str = "/api/predict/echo") -> bytes:
    """Return a POST whose header lines say what the test likes of its body."""
    return get(target, TOKEN, *lines, method="POST") + body


def chunked(body: bytes) -> bytes:
    return framed(CHUNKED, body=body)


def zipped(body: bytes, coding: str = "gzip") -> bytes:
    return post(body, TOKEN, f"Content-Encoding: {coding}")


def sent_by(authorization: str) -> bytes:
    return post(b"hello", f"Authorization: {authorization}")


END = b"0\r\n\r\n"
LONG = "Content-Length: 104857600"

# fmt: off
ON_THE_WIRE = [
    # Not HTTP/1.1
    Case("garbage", bytes(range(256)) * 4, 400, "not valid HTTP/1.1"),
    Case("a TLS ClientHello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(505),
         400, "not valid HTTP/1.1"),
    Case("HTTP/2 without asking", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, "not valid HTTP/1.1"),
    Case("HTTP/2.0", get("/healthz", version="HTTP/2.0"), 400, "expected HTTP/1.1 or HTTP/1.0"),
    Case("HTTP/0.9", b"GET /healthz\r\n\r\n", 400, "expected HTTP/1.1 or HTTP/1.0"),
    Case("HTTP/1.2", get("/healthz", version="HTTP/1.2"), 400, "Invalid HTTP version"),
    Case("another protocol", b"SSH-2.0-OpenSSH_9.6\r\n", 400, "not valid HTTP/1.1"),

    # The request line
    Case("an unknown method", get("/healthz", method="BREW"), 400, "method"),
    Case("a method in lower case", get("/healthz", method="get"), 400, "method"),
    Case("a space in the path", get("/api/predict/echo echo"), 400, "not valid HTTP/1.1"),
    Case("a NUL in the path", get("/healthz\0"), 400, "url"),
    Case("a target without slash", get("healthz"), 400, "url"),
    Case("a target of 9 KB", get("/" + "a" * 9000), 414, "longer than 8192 bytes"),
    Case("two slashes first", get("//api/predict/echo"), 404, "'//api/predict/echo'"),
    Case("two slashes later", get("/api//predict/echo"), 404, "'/api//predict/echo'"),
    Case("dots in the path", get("/api/predict/../predict/echo"), 404, "no service '..'"),
    Case("another host's URL", get("http://other/"), 404, "there is no route '/'"),
    Case("an unknown path", get("/"), 404, "services are at /api/predict/NAME"),
    Case("an unknown service", get("/api/predict/ech"), 404, "no service 'ech'"),
    Case("HEAD", get("/api/predict/echo", method="HEAD"), 405, ""),
    Case("PUT", get("/api/predict/echo", method="PUT"), 405, "expected POST (predicts)"),
    Case("DELETE", get("/api/predict/echo", method="DELETE"), 405, "expected POST (predicts)"),
    Case("CONNECT", get("h:443", method="CONNECT"), 404, "there is no route 'h:443'"),

    # Header lines
    Case("no Host", b"GET /healthz HTTP/1.1\r\n\r\n", 400, "no Host header"),
    Case("two Hosts", get("/healthz", "Host: h"), 400, "more than one Host header"),
    Case("lines that end in LF", get("/healthz").replace(b"\r", b""), 400, "CRLF"),
    Case("a folded line", get("/healthz", "A: b", " c"), 400, "whitespace"),
    Case("a space before the colon", get("/healthz", "A : b"), 400, "header"),
    Case("a line without colon", get("/healthz", "A"), 400, "header"),
    Case("a NUL in a value", get("/healthz", "A: b\0"), 400, "header"),
    Case("a CR in a value", get("/healthz", "A: b\rC: d"), 400, "header"),
    Case("a head of 400 KB", get("/healthz", "A: " + "b" * 400_000),
         431, "larger than 65536 bytes"),

    # Where the body ends
    Case("two lengths", framed("Content-Length: 1", "Content-Length: 2", body=b"ab"),
         400, "Duplicate Content-Length"),
    Case("one length twice", framed("Content-Length: 2", "Content-Length: 2", body=b"ab"),
         400, "Duplicate Content-Length"),
    Case("a list of lengths", framed("Content-Length: 2, 2", body=b"ab"), 400, "Content-Length"),
    Case("a negative length", framed("Content-Length: -1"), 400, "Content-Length"),
    Case("a length with a sign", framed("Content-Length: +2", body=b"ab"), 400, "Content-Length"),
    Case("a length of 30 digits", framed("Content-Length: " + "9" * 30),
         400, "Content-Length overflow"),
    Case("length and chunks", framed("Content-Length: 5", CHUNKED, body=END),
         400, "Content-Length"),
    Case("chunks and length", framed(CHUNKED, "Content-Length: 5", body=END),
         400, "Content-Length"),
    Case("gzip, chunked", framed("Transfer-Encoding: gzip, chunked", body=END),
         400, "Transfer-Encoding is 'gzip, chunked', expected"),
    Case("gzip, then chunked", framed("Transfer-Encoding: gzip", CHUNKED, body=END),
         400, "more than one Transfer-Encoding"),
    Case("a coding like chunked", framed("Transfer-Encoding: xchunked", body=END),
         400, "Transfer-Encoding is 'xchunked', expected"),
    Case("chunks in HTTP/1.0", chunked(END).replace(b"1.1", b"1.0"),
         400, "HTTP/1.0 has no Transfer-Encoding"),
    Case("chunks and an upgrade", framed("Connection: Upgrade", "Upgrade: h2c", CHUNKED, body=END),
         400, "a request with Upgrade"),
    Case("a chunk size in words", chunked(b"two\r\nab\r\n" + END), 400, "chunk size"),
    Case("a chunk size with 0x", chunked(b"0x2\r\nab\r\n" + END), 400, "chunk size"),
    Case("a negative chunk size", chunked(b"-2\r\nab\r\n" + END), 400, "chunk size"),
    Case("a chunk size of 17 digits", chunked(b"f" * 17 + b"\r\nab\r\n" + END),
         400, "Chunk size overflow"),
    Case("a chunk that overruns", chunked(b"2\r\nabc\r\n" + END), 400, "after chunk data"),
    Case("chunks that end in LF", chunked(b"2\nab\n0\n\n"), 400, "after chunk size"),
    Case("a length in the trailer", chunked(b"0\r\nContent-Length: 5\r\n\r\n"),
         400, "Content-Length"),
    Case("Expect without a length", framed("Expect: 100-continue"), 411, "needs a Content-Length"),

    # Who asks
    Case("no token", post(b"hello"), 401, "send it as `Authorization: <token>`"),
    Case("a wrong token", sent_by("T"), 401, "not the token"),
    Case("an empty token", sent_by(""), 401, "not the token"),
    Case("a token and more", sent_by("t t"), 401, "not the token"),
    Case("another scheme", sent_by("Basic dDp0"), 401, "not the token"),
    Case("a wrong signature", sent_by("EAS AAAA"), 401, "the `EAS` signature was not made with"),
    Case("a token of 60 KB", sent_by("t" * 60_000), 401, "not the token"),
    Case("a token that is not ASCII", sent_by("\N{SNOWMAN}"), 401, "not the token"),
    Case("two tokens", post(b"hello", TOKEN, TOKEN), 400, "more than one Authorization header"),

    # Too much, too little, too late
    Case("a body of 1 TB", framed("Content-Length: 1099511627776"),
         413, "limit of 1048576 bytes"),
    Case("a body of 100 MB", framed(LONG), 413, "limit of 1048576 bytes", pours),
    Case("a chunk of 100 MB", chunked(b"6400000\r\n"), 413, "limit of 1048576 bytes", pours),
    Case("100 MB for nobody", framed(LONG, target="/"), 404, "there is no route '/'", pours),
    Case("a gzip bomb", zipped(gzip.compress(bytes(64 * MIB), 1)),
         413, "inflates to more than the engine's limit of 1048576"),
    Case("gzip that is none", zipped(b"hello"), 400, "is not gzip"),
    Case("half a gzip", zipped(gzip.compress(b"hello")[:-9]), 400, "ends too early"),
    Case("more than a gzip", zipped(gzip.compress(b"hello") + b"x"), 400, "after the end of its"),
    Case("brotli", zipped(b"hello", "br"), 415, "Content-Encoding is 'br', expected gzip"),
    Case("gzip in gzip", zipped(b"hello", "gzip, gzip"), 415, "is 'gzip, gzip', expected"),
    Case("nothing", b"", UNANSWERED, "", hangs_up),
    Case("half a head", get("/healthz")[:-4], UNANSWERED, "", hangs_up),
    Case("half a body", framed("Content-Length: 4", body=b"ab"), UNANSWERED, "", hangs_up),
    Case("half a chunk", chunked(b"4\r\nab"), UNANSWERED, "", hangs_up),
    Case("a head that drips", get("/healthz", "A: b")[:-4], 408, "took more than", drips),
    Case("a body that drips", framed("Content-Length: 1000"),
         408, "did not arrive within 1000 ms", drips),
    Case("chunks that drip", chunked(b"400\r\n"), 408, "did not arrive within 1000 ms", drips),
    Case("a drip for nobody", framed("Content-Length: 1000", target="/"),
         408, "took more than", drips),
]
# fmt: on


def floats(count: int, *dims: int, dtype: int = 1) -> ArrayProto:
    return ArrayProto(dtype=dtype, array_shape={"dim": dims}, float_val=[0.0] * count)


def asking(*, signature: str = "predict_images", fetch: str = "scores", **inputs: Any) -> bytes:
    request = PredictRequest(signature_name=signature, inputs=inputs, output_filter=[fetch])
    return request.SerializeToString()


def protobuf(body: bytes) -> bytes:
    return post(body, TOKEN, name="model")


def as_json(document: Any) -> bytes:
    text = document if isinstance(document, bytes) else json.dumps(document).encode()
    return post(text, TOKEN, "Content-Type: application/json", name="model")


IMAGE = floats(784, 1, 784)
GOOD = asking(images=IMAGE)
INTS = ArrayProto(dtype=3, array_shape={"dim": [1, 2]}, int_val=[0, 0])

# fmt: off
TO_A_MODEL = [
    Case("text", protobuf(b"hello"), 400, "the body of 5 bytes is not a PredictRequest"),
    Case("half a request", protobuf(GOOD[:1000]), 400, "not a PredictRequest"),
    Case("all but the last byte", protobuf(GOOD[:-1]), 400, "not a PredictRequest"),
    Case("a field beyond the end", protobuf(b"\x12\xff\xff\xff\xff\x0f"),
         400, "not a PredictRequest"),
    Case("a number without end", protobuf(b"\xff" * 1000), 400, "not a PredictRequest"),
    Case("100,000 groups", protobuf(b"\x0b" * 100_000), 400, "not a PredictRequest"),
    Case("a name that is not UTF-8", protobuf(b"\x0a\x02\xff\xfe"), 400, "not UTF-8"),
    Case("another signature", protobuf(asking(signature="x", images=IMAGE)),
         400, "'predict_images'"),
    Case("another input", protobuf(asking(image=IMAGE)),
         400, "unexpected input 'image': signature 'predict_images' takes 'images'"),
    Case("an input too many", protobuf(asking(images=IMAGE, more=IMAGE)),
         400, "unexpected input 'more'"),
    Case("no input", protobuf(asking()), 400, "missing input 'images'"),
    Case("another output", protobuf(asking(fetch="score", images=IMAGE)),
         400, "unknown output 'score': signature 'predict_images' returns 'scores'"),
    Case("another dtype", protobuf(asking(images=INTS)),
         400, "expected DT_FLOAT [-1, 784], got DT_INT32 [1, 2]"),
    Case("no dtype", protobuf(asking(images=floats(784, 1, 784, dtype=0))),
         400, "input 'images': "),
    Case("dtype 99", protobuf(asking(images=floats(784, 1, 784, dtype=99))), 400, "99"),
    Case("floats called doubles", protobuf(asking(images=floats(784, 1, 784, dtype=2))),
         400, "the values of DT_DOUBLE go in double_val"),
    Case("another shape", protobuf(asking(images=floats(783, 1, 783))),
         400, "expected DT_FLOAT [-1, 784], got DT_FLOAT [1, 783]"),
    Case("a dimension too many", protobuf(asking(images=floats(784, 1, 28, 28))),
         400, "got DT_FLOAT [1, 28, 28]"),
    Case("too few values", protobuf(asking(images=floats(1, 1, 784))),
         400, "shape [1, 784] needs 784 values, got 1"),
    Case("a dimension of 10**15", protobuf(asking(images=floats(784, 10**15, 784))),
         400, "needs 784000000000000000 values, got 784"),
    Case("dimensions that overflow", protobuf(asking(images=floats(0, *[2**62] * 4))),
         400, "input 'images': shape "),
    Case("a negative dimension", protobuf(asking(images=floats(784, -1, 784))),
         400, "negative dimension"),
    Case("1,000 dimensions", protobuf(asking(images=floats(1, *[1] * 1000))), 400, "more than"),

    Case("no JSON", as_json(b"{inputs: 1}"), 400, "the body is not JSON: line 1 column 2"),
    Case("half a JSON", as_json(b'{"inputs": [[0.0, 0.'), 400, "the body is not JSON: line 1"),
    Case("JSON that is not UTF-8", as_json(b'{"inputs": "\xff"}'), 400, "byte 12 is not UTF-8"),
    Case("JSON that is a list", as_json([1, 2]), 400, "the JSON request is a list of 2"),
    Case("10,000 brackets", as_json(b"[" * 10_000 + b"]" * 10_000), 400, "nested too deeply"),
    Case("both forms", as_json({"inputs": [], "instances": []}),
         400, "both 'inputs' and 'instances'"),
    Case("neither form", as_json({"input": 1}), 400, "neither 'inputs' nor 'instances'"),
    Case("ragged JSON", as_json({"inputs": [[0.0, 1.0], [0.0]]}), 400, "expected a list of 2"),
    Case("text for numbers", as_json({"inputs": [["0"] * 784]}), 400, "expected a number"),
    Case("another shape in JSON", as_json({"inputs": [[0.0] * 783]}),
         400, "expected DT_FLOAT [-1, 784], got"),
    Case("a number of 10,000 digits", as_json(b'{"inputs": [[' + b"9" * 10_000 + b"]]}"),
         400, "too large"),
    Case("rows that differ", as_json({"instances": [{"images": [0]}, {"image": [0]}]}),
         400, "'instances' at [1]"),
]
# fmt: on


@pytest.fixture(scope="module")
def echo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    limits = {"head_timeout": 0.3, "max_body": MIB}
    service = {"token": "t", "keepalive": 1.0, "max_queue_size": 1000}
    engine = Engine(tmp_path_factory.mktemp("echo"), engine=limits, **service)
    yield engine
    engine.kill()


@pytest.fixture(scope="module")
def model(serve: Callable[..., Served], tmp_path_factory: pytest.TempPathFactory) -> Served:
    return serve(models.save_linear(tmp_path_factory.mktemp("linear")), token="t")


@pytest.fixture(scope="module")
def start_memory(echo: Engine, model: Served) -> dict[int, int]:
    """What the processes of each service have needed for a good request of each kind."""
    assert_echo_answers(echo)
    assert_model_answers(model)
    return {pid: peak_memory(pid) for pid in (echo.process.pid, model.process.pid)}


def named(cases: list[Case]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", cases, ids=[case.name for case in cases])


@named(ON_THE_WIRE)
def test_the_engine_refuses(echo: Engine, case: Case, start_memory: object) -> None:
    assert_refused(echo.address, case)
    assert_echo_answers(echo)


@named(TO_A_MODEL)
def test_the_model_refuses(model: Served, case: Case, start_memory: object) -> None:
    assert_refused(host_and_port(model.url), case)
    assert_model_answers(model)


def test_a_flood_of_requests_is_held_back_and_answered(echo: Engine, start_memory: object) -> None:
    flood = post(b"grow 10000", TOKEN, "A: " + "b" * 2000) * 1000
    with Client(echo.address) as client:
        client.socket.settimeout(0.5)
        sent = 0
        with pytest.raises(TimeoutError):
            while sent < 100 * MIB:
                sent += client.socket.send(flood[sent % len(flood) :])
        assert_echo_answers(echo)
        client.socket.settimeout(PATIENCE_S)
        for _ in range(500):
            assert len(client.response().body) == 10_000


def test_readers_that_never_read_stall_only_themselves(echo: Engine, start_memory: object) -> None:
    with contextlib.ExitStack() as clients:
        for _ in range(10):
            stalled = clients.enter_context(Client(echo.address))
            stalled.send(post(b"grow 1000000", TOKEN) + post(b"hello", TOKEN) * 10)
        assert_echo_answers(echo)


def test_it_has_cost_no_memory_and_logged_no_error(
    echo: Engine, model: Served, start_memory: dict[int, int]
) -> None:
    for pid, memory in start_memory.items():
        assert peak_memory(pid) - memory < 30 * MIB
    assert all(line.startswith("INFO:") for line in echo.log.splitlines()), echo.log
    log = model.stop()
    assert '"level": "info"' in log
    for word in ('"level": "warning"', '"level": "error"', "Traceback"):
        assert word not in log


def assert_refused(address: tuple[str, int], case: Case) -> None:
    """One refusal and, unless that closes the connection, the answer to the next request."""
    with Client(address) as client:
        case.client(client, case.wire)
        responses = client.rest(of_head=case.wire.startswith(b"HEAD"))
    if case.status == UNANSWERED:
        assert responses == []
        return
    refusal, *others = responses
    sentence = refusal.body.decode()
    assert refusal.status == case.status, sentence
    assert case.says in sentence
    assert len(sentence) < 500
    closed = refusal.headers.get("connection") == "close"
    assert [other.body for other in others] == ([] if closed else [b"alive"])


def assert_echo_answers(engine: Engine) -> None:
    with Client(engine.address) as client:
        response = client.ask(post(b"hello", TOKEN))
    assert (response.status, response.body) == (200, b"hello")


def assert_model_answers(served: Served) -> None:
    with Client(host_and_port(served.url)) as client:
        assert client.ask(protobuf(GOOD)).status == 200
        assert client.ask(as_json({"inputs": [[0.0] * 784]})).status == 200
