"""gRPC's messages in DATA: their prefix, their pieces and their encodings."""

from __future__ import annotations

import gzip
import zlib

import pytest
from frontends.grpc.http2.conformance.cases import ANSWERED, Case, Status, case, judge
from frontends.grpc.http2.raw_client import (
    ECHO,
    STREAM,
    Code,
    Kind,
    RawClient,
    Setting,
    data,
    headers,
    message,
    ping,
    request,
    u32,
    window_update,
)

HEAD = headers()
BODY = message()
GZIP = headers(request((b"grpc-encoding", b"gzip")))
ZIPPED = gzip.compress(b"hello")
HUGE = 2**32 - 1
INTERNAL = Status(13)
TOO_LARGE = Status(8)

CASES = [
    case("gRPC", "an empty message", [HEAD, data(message(b""), end=True)], ANSWERED),
    case("gRPC", "HEADERS that end", headers(end=True), INTERNAL),
    case("gRPC", "DATA without a byte that ends", [HEAD, data(b"", end=True)], INTERNAL),
    case("gRPC", "a cut prefix", [HEAD, data(BODY[:3], end=True)], INTERNAL),
    case("gRPC", "a prefix alone", [HEAD, data(BODY[:5], end=True)], INTERNAL),
    case("gRPC", "a cut message", [HEAD, data(BODY[:9], end=True)], INTERNAL),
    case(
        "gRPC",
        "a cut message, then trailers",
        [HEAD, data(BODY[:9]), headers([(b"x", b"y")], end=True)],
        INTERNAL,
    ),
    case("gRPC", "two messages", [HEAD, data(BODY * 2, end=True)], INTERNAL, Status(12)),
    case(
        "gRPC",
        "two messages in two frames",
        [HEAD, data(BODY), data(BODY, end=True)],
        INTERNAL,
        Status(12),
    ),
    case("gRPC", "one byte behind a message", [HEAD, data(BODY + b"\0", end=True)], INTERNAL),
    case(
        "gRPC",
        "compressed, without an encoding",
        [HEAD, data(message(ZIPPED, 1), end=True)],
        INTERNAL,
    ),
    case("gRPC", "flag 2", [HEAD, data(message(flag=2), end=True)], INTERNAL),
    case("gRPC", "flag 255", [HEAD, data(message(flag=255), end=True)], INTERNAL),
    case(
        "gRPC",
        "encoding identity",
        [headers(request((b"grpc-encoding", b"identity"))), data(BODY, end=True)],
        ANSWERED,
    ),
    case(
        "gRPC",
        "compressed, with encoding identity",
        [headers(request((b"grpc-encoding", b"identity"))), data(message(flag=1), end=True)],
        INTERNAL,
    ),
    case("gRPC", "encoding gzip", [GZIP, data(message(ZIPPED, 1), end=True)], ANSWERED),
    case("gRPC", "encoding gzip, not used", [GZIP, data(BODY, end=True)], ANSWERED),
    case(
        "gRPC",
        "gzip in pieces",
        [GZIP, *[data(bytes([b])) for b in message(ZIPPED, 1)], data(b"", end=True)],
        ANSWERED,
    ),
    case("gRPC", "no gzip", [GZIP, data(message(b"nothing", 1), end=True)], INTERNAL),
    case("gRPC", "cut gzip", [GZIP, data(message(ZIPPED[:-9], 1), end=True)], INTERNAL),
    case("gRPC", "gzip of no bytes", [GZIP, data(message(b"", 1), end=True)], INTERNAL),
    case("gRPC", "bytes behind gzip", [GZIP, data(message(ZIPPED + b"x", 1), end=True)], INTERNAL),
    case(
        "gRPC",
        "an unknown encoding",
        [headers(request((b"grpc-encoding", b"snappy"))), data(message(flag=1), end=True)],
        Status(12),
    ),
    case("gRPC", "a message of 2^32 - 1 bytes", [HEAD, data(b"\0" + u32(HUGE))], TOO_LARGE),
    case(
        "gRPC",
        "the same, with its length in pieces",
        [HEAD, data(b"\0\xff"), data(b"\xff\xff"), data(b"\xff")],
        TOO_LARGE,
    ),
    case(
        "gRPC",
        "a message of 2^32 - 1 bytes that ends",
        [HEAD, data(b"\0" + u32(HUGE), end=True)],
        TOO_LARGE,
        INTERNAL,
    ),
    case("gRPC", "the same, compressed", [GZIP, data(b"\1" + u32(HUGE))], TOO_LARGE),
]


@pytest.mark.parametrize("each", CASES)
def test_case(address: tuple[str, int], each: Case) -> None:
    judge(address, each)


@pytest.mark.parametrize("cut", range(len(BODY)))
def test_a_message_in_two_frames(address: tuple[str, int], cut: int) -> None:
    with RawClient(address) as client:
        client.send(HEAD, data(BODY[:cut]), data(BODY[cut:], end=True))
        assert client.read_until(lambda: client.has_ended(1))
        assert client.payload() == BODY


@pytest.mark.parametrize("size", [255, 256, 16379, 16380, 65536, 300_000])
def test_messages_come_back_as_they_were(address: tuple[str, int], size: int) -> None:
    body = message(bytes(range(256)) * (size // 256) + bytes(size % 256))
    with RawClient(address, (Setting.INITIAL_WINDOW_SIZE, 2**24)) as client:
        client.send(window_update(2**24), HEAD)
        for start in range(0, len(body), 16384):
            piece = body[start : start + 16384]
            client.send(data(piece, end=start + len(piece) == len(body)))
        assert client.read_until(lambda: client.has_ended(1))
        assert client.payload() == body


def test_an_unknown_encoding_is_told_which_are_known(address: tuple[str, int]) -> None:
    with RawClient(address) as client:
        client.send(headers(request((b"grpc-encoding", b"br"))), data(message(flag=1), end=True))
        assert client.read_until(lambda: client.has_ended(1))
        assert b"gzip" in client.fields()[b"grpc-accept-encoding"]


def test_gzip_that_grows_is_stopped(address: tuple[str, int]) -> None:
    """80 MB of zeros in 80 KB: above what one message may be"""
    zipper = zlib.compressobj(wbits=31)
    bomb = b"".join(zipper.compress(bytes(10_000_000)) for _ in range(8)) + zipper.flush()
    with RawClient(address) as client:
        client.send(GZIP, data(b"\1" + u32(len(bomb))))
        for start in range(0, len(bomb), 16384):
            client.send(data(bomb[start : start + 16384], end=start + 16384 >= len(bomb)))
        client.read_until(lambda: client.has_ended(1))
        assert client.fields()[b"grpc-status"] == b"8"


def test_a_stream_of_messages_is_answered_as_they_come(address: tuple[str, int]) -> None:
    with RawClient(address) as client:
        client.send(headers(request(path=STREAM)))
        for count in range(1, 4):
            client.send(data(BODY[:4]), data(BODY[4:]))
            assert client.read_until(lambda count=count: client.payload() == BODY * count)
        client.send(data(BODY + BODY + BODY[:7]), data(BODY[7:], end=True))
        assert client.read_until(lambda: client.has_ended(1))
        assert client.payload() == BODY * 6
        assert client.fields()[b"grpc-status"] == b"0"


def test_messages_wait_while_their_answers_are_not_taken(address: tuple[str, int]) -> None:
    """At most 64 KB of answers are held; the rest follow, in their order, and the end last"""
    messages = [message(b"%d" % number + bytes(1000)) for number in range(500)]
    with RawClient(address, (Setting.INITIAL_WINDOW_SIZE, 0)) as client:
        client.send(headers(request(path=STREAM)), data(b"".join(messages), end=True), ping())
        assert client.read_until(lambda: client.of(Kind.PING))
        assert not client.payload()
        client.send(window_update(10**6), window_update(100_000, 1))
        assert client.read_until(lambda: len(client.payload()) == 100_000)
        client.send(window_update(10**6, 1))
        assert client.read_until(lambda: client.has_ended(1))
        assert client.payload() == b"".join(messages)
        assert client.fields()[b"grpc-status"] == b"0"


def test_a_stream_that_ends_within_a_message(address: tuple[str, int]) -> None:
    with RawClient(address) as client:
        client.send(headers(request(path=STREAM)), data(BODY + BODY[:7], end=True))
        assert client.read_until(lambda: client.has_ended(1))
        assert client.fields().get(b"grpc-status") == b"13" or client.of(Kind.RST_STREAM, 1)


def test_many_calls_in_one_piece(address: tuple[str, int]) -> None:
    """What comes together is answered, each call with its own message"""
    calls = b"".join(
        headers(request(path=ECHO), 2 * n + 1) + data(message(b"%d" % n), 2 * n + 1, end=True)
        for n in range(300)
    )
    with RawClient(address) as client:
        client.send(calls)
        assert client.read_until(lambda: all(client.has_ended(2 * n + 1) for n in range(300)))
        assert all(client.payload(2 * n + 1) == message(b"%d" % n) for n in range(300))


def test_a_call_and_its_reset_in_one_piece(address: tuple[str, int]) -> None:
    cancel = b"\0\0\4\3\0\0\0\0\1" + u32(Code.CANCEL)
    with RawClient(address) as client:
        client.send(
            HEAD + data(BODY, end=True) + cancel + headers(stream=3) + data(BODY, 3, end=True)
        )
        assert client.read_until(lambda: client.has_ended(3))
        assert client.payload(3) == BODY and not client.closed
