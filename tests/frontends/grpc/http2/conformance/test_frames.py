"""Frames on their own: RFC 9113, sections 3.4, 4 and 6."""

from __future__ import annotations

from itertools import pairwise

import pytest
from frontends.grpc.http2.conformance.cases import (
    ANSWERED,
    PROBE,
    Case,
    Closed,
    GoAway,
    Ignored,
    Reset,
    case,
    judge,
)
from frontends.grpc.http2.raw_client import (
    ACK,
    END_HEADERS,
    END_STREAM,
    PADDED,
    PREFACE,
    PRIORITY_FLAG,
    Code,
    Kind,
    RawClient,
    Setting,
    block,
    call,
    data,
    frame,
    headers,
    message,
    ping,
    request,
    reset,
    settings,
    u32,
    window_update,
)

PROTOCOL = GoAway(Code.PROTOCOL_ERROR)
SIZE = GoAway(Code.FRAME_SIZE_ERROR)
FLOW = GoAway(Code.FLOW_CONTROL_ERROR)
HEAD = headers()
BLOCK = block()
BODY = message()
RESERVED = 1 << 31
"""The bit above a stream's number, or above an increment; whoever receives it ignores it."""


def in_pieces(*sizes: int, stream: int = 1) -> bytes:
    """Return the header block in HEADERS and CONTINUATION, cut at these sizes."""
    cuts = [0, *sizes, len(BLOCK)]
    pieces = [BLOCK[start:stop] for start, stop in pairwise(cuts)]
    out = frame(Kind.HEADERS, 0, stream, pieces[0])
    for piece in pieces[1:-1]:
        out += frame(Kind.CONTINUATION, 0, stream, piece)
    return out + frame(Kind.CONTINUATION, END_HEADERS, stream, pieces[-1])


def padded(kind: int, flags: int, payload: bytes, length: int, told: int | None = None) -> bytes:
    """Return a frame of stream 1 with padding; `told` is a false length of it."""
    told = length if told is None else told
    return frame(kind, flags | PADDED, 1, bytes([told]) + payload + bytes(length))


DATA = [
    case("6.1", "DATA on stream 0", data(b"x", 0), PROTOCOL),
    case("5.1", "DATA on an idle stream", data(b"x", 1), PROTOCOL),
    case("5.1", "DATA on an idle even stream", data(b"x", 2), PROTOCOL),
    case("6.1", "DATA with padding", [HEAD, padded(0, END_STREAM, BODY, 200)], ANSWERED),
    case("6.1", "DATA with padding of no bytes", [HEAD, padded(0, END_STREAM, BODY, 0)], ANSWERED),
    case(
        "6.1",
        "DATA of padding alone, then the message",
        [HEAD, padded(0, 0, b"", 255), data(BODY, end=True)],
        ANSWERED,
    ),
    case("6.1", "padding as long as DATA", [HEAD, padded(0, 1, b"", 4, told=5)], PROTOCOL),
    case("6.1", "padding longer than DATA", [HEAD, padded(0, 1, BODY, 0, told=255)], PROTOCOL),
    case(
        "6.1",
        "PADDED DATA without a length of padding",
        [HEAD, frame(0, PADDED, 1)],
        PROTOCOL,
        SIZE,
    ),
    case("6.1", "empty DATA before the message", [HEAD, data(b""), data(BODY, end=True)], ANSWERED),
    case("6.1", "empty DATA that ends", [HEAD, data(BODY), data(b"", end=True)], ANSWERED),
]

HEADERS = [
    case("6.2", "HEADERS on stream 0", headers(stream=0), PROTOCOL),
    case("5.1.1", "HEADERS on an even stream", headers(stream=2), PROTOCOL),
    case(
        "6.2",
        "HEADERS with padding",
        [padded(1, END_HEADERS, BLOCK, 100), data(BODY, end=True)],
        ANSWERED,
    ),
    case("6.2", "padding longer than HEADERS", padded(1, 4, BLOCK, 0, told=255), PROTOCOL),
    case("6.2", "PADDED HEADERS without any byte", frame(1, PADDED | 4, 1), PROTOCOL, SIZE),
    case(
        "6.2",
        "HEADERS with a priority",
        [headers(u32(0) + b"\x10" + BLOCK, flags=PRIORITY_FLAG), data(BODY, end=True)],
        ANSWERED,
    ),
    case(
        "6.2",
        "HEADERS with padding and a priority",
        [padded(1, END_HEADERS | PRIORITY_FLAG, u32(0) + b"\x10" + BLOCK, 9), data(BODY, end=True)],
        ANSWERED,
    ),
    case(
        "6.2",
        "HEADERS cut within the priority",
        frame(1, 4 | PRIORITY_FLAG, 1, b"123"),
        SIZE,
        PROTOCOL,
    ),
    case(
        "5.3.1 of RFC 7540",
        "HEADERS that depend on themselves",
        [headers(u32(1) + b"\x10" + BLOCK, flags=PRIORITY_FLAG), data(BODY, end=True)],
        Reset(Code.PROTOCOL_ERROR),
        ANSWERED,
    ),
]

CONTINUATION = [
    case("6.10", "a block in two frames", [in_pieces(10), data(BODY, end=True)], ANSWERED),
    case(
        "6.10", "a block in 16 frames", [in_pieces(*range(1, 16)), data(BODY, end=True)], ANSWERED
    ),
    case("6.10", "an empty beginning", [in_pieces(0), data(BODY, end=True)], ANSWERED),
    case("6.10", "an empty piece", [in_pieces(10, 10), data(BODY, end=True)], ANSWERED),
    case("6.10", "CONTINUATION without HEADERS", frame(9, 4, 1, BLOCK), PROTOCOL),
    case("6.10", "CONTINUATION on stream 0", frame(9, 4, 0, BLOCK), PROTOCOL),
    case("6.10", "CONTINUATION behind a whole block", [HEAD, frame(9, 4, 1, BLOCK)], PROTOCOL),
    case(
        "6.10",
        "CONTINUATION of another stream",
        [frame(1, 0, 1, BLOCK[:9]), frame(9, 4, 3, BLOCK[9:])],
        PROTOCOL,
    ),
    case("6.2", "DATA within a block", [frame(1, 0, 1, BLOCK[:9]), data(BODY)], PROTOCOL),
    case("6.2", "PING within a block", [frame(1, 0, 1, BLOCK[:9]), ping()], PROTOCOL),
    case("6.2", "HEADERS within a block", [frame(1, 0, 1, BLOCK[:9]), headers(stream=3)], PROTOCOL),
    case("5.5", "an unknown frame within a block", [frame(1, 0, 1), frame(99, 0, 1)], PROTOCOL),
    case(
        "10.5.1",
        "a block in more than 17 frames",
        in_pieces(*range(1, 40)),
        GoAway(Code.ENHANCE_YOUR_CALM),
        PROTOCOL,
    ),
]

CONTROL = [
    case("6.3", "PRIORITY on stream 0", frame(2, 0, 0, bytes(5)), PROTOCOL),
    case("6.3", "PRIORITY on an idle stream", frame(2, 0, 7, u32(0) + b"\x01"), Ignored()),
    case(
        "6.3",
        "PRIORITY of four bytes",
        [HEAD, frame(2, 0, 1, bytes(4))],
        Reset(Code.FRAME_SIZE_ERROR),
        SIZE,
    ),
    case("6.4", "RST_STREAM on stream 0", reset(0), PROTOCOL),
    case("6.4", "RST_STREAM on an idle stream", reset(1), PROTOCOL),
    case("6.4", "RST_STREAM of three bytes", [HEAD, frame(3, 0, 1, bytes(3))], SIZE),
    case("6.4", "RST_STREAM of five bytes", [HEAD, frame(3, 0, 1, bytes(5))], SIZE),
    case("6.4", "RST_STREAM with an unknown code", [HEAD, reset(1, 2**32 - 1)], Ignored()),
    case("8.4", "PUSH_PROMISE", [HEAD, frame(5, 4, 1, u32(2) + BLOCK)], PROTOCOL),
    case("6.7", "PING on a stream", frame(6, 0, 1, bytes(8)), PROTOCOL),
    case("6.7", "PING of seven bytes", frame(6, 0, 0, bytes(7)), SIZE),
    case("6.7", "PING of nine bytes", frame(6, 0, 0, bytes(9)), SIZE),
    case("6.7", "an acknowledged PING that none has sent", frame(6, ACK, 0, bytes(8)), Ignored()),
    case("6.8", "GOAWAY on a stream", frame(7, 0, 1, bytes(8)), PROTOCOL),
    case("6.8", "GOAWAY of seven bytes", frame(7, 0, 0, bytes(7)), SIZE, PROTOCOL),
    case("6.9", "WINDOW_UPDATE of three bytes", frame(8, 0, 0, bytes(3)), SIZE),
    case("6.9", "WINDOW_UPDATE of a stream, five bytes", [HEAD, frame(8, 0, 1, bytes(5))], SIZE),
    case("6.9", "WINDOW_UPDATE on an idle stream", window_update(1, 1), PROTOCOL),
]

SETTINGS = [
    case("6.5", "SETTINGS on a stream", frame(4, 0, 1), PROTOCOL),
    case("6.5", "SETTINGS of five bytes", frame(4, 0, 0, bytes(5)), SIZE),
    case("6.5", "SETTINGS acknowledged with a payload", frame(4, ACK, 0, bytes(6)), SIZE),
    case("6.5.2", "ENABLE_PUSH 2", settings((Setting.ENABLE_PUSH, 2)), PROTOCOL),
    case("6.5.2", "ENABLE_PUSH 0", settings((Setting.ENABLE_PUSH, 0)), Ignored()),
    case("6.5.2", "a window of 2^31", settings((Setting.INITIAL_WINDOW_SIZE, 2**31)), FLOW),
    case("6.5.2", "frames of 16,383", settings((Setting.MAX_FRAME_SIZE, 16383)), PROTOCOL),
    case("6.5.2", "frames of 2^24", settings((Setting.MAX_FRAME_SIZE, 2**24)), PROTOCOL),
    case("6.5.2", "frames of 2^24 - 1", settings((Setting.MAX_FRAME_SIZE, 2**24 - 1)), Ignored()),
    case("6.5.2", "an unknown setting", settings((0xFE99, 2**32 - 1)), Ignored()),
    case("6.5.2", "no streams of the server", settings((3, 0)), Ignored()),
    case(
        "6.5.3", "of a setting said twice the last counts", settings((4, 0), (4, 65535)), Ignored()
    ),
    case("10.5", "33 settings", settings(*[(4, 65535)] * 33), GoAway(Code.ENHANCE_YOUR_CALM)),
]

EXTENSIONS = [
    case("5.5", "an unknown frame of the connection", frame(0xBE, 0xFF, 0, b"x" * 20), Ignored()),
    case("5.5", "an unknown frame of an idle stream", frame(0xBE, 0, 9, b"x"), Ignored()),
    case(
        "5.5",
        "an unknown frame between HEADERS and DATA",
        [HEAD, frame(0xBE, 0xFF, 1, b"x"), data(BODY, end=True)],
        ANSWERED,
    ),
    case("4.1", "unknown flags of PING", frame(6, 0xFE, 0, bytes(8)), Ignored()),
    case(
        "4.1",
        "unknown flags of HEADERS and DATA",
        [headers(flags=0xD2 & ~PADDED), frame(0, 0xF6 | END_STREAM, 1, BODY)],
        ANSWERED,
    ),
    case(
        "4.1",
        "the reserved bit of HEADERS and DATA",
        [headers(stream=RESERVED | 1), data(BODY, RESERVED | 1, end=True)],
        ANSWERED,
    ),
    case("4.1", "the reserved bit of SETTINGS", frame(4, 0, RESERVED), Ignored()),
    case("4.1", "the reserved bit of PING", frame(6, 0, RESERVED, bytes(8)), Ignored()),
    case("6.9", "the reserved bit of an increment", frame(8, 0, 0, u32(RESERVED | 1)), Ignored()),
    case("6.9", "the reserved bit of no increment", frame(8, 0, 0, u32(RESERVED)), PROTOCOL),
    case("4.2", "HEADERS above the largest frame", frame(1, 4, 1, bytes(2**24 - 1)), SIZE),
    case(
        "4.2",
        "DATA above the largest frame",
        [HEAD, frame(0, 0, 1, bytes(2**24 - 1))],
        SIZE,
        Reset(Code.FRAME_SIZE_ERROR),
    ),
    case("4.2", "SETTINGS above the largest frame", frame(4, 0, 0, bytes(2**24 - 1)), SIZE),
]


@pytest.mark.parametrize("each", [*DATA, *HEADERS, *CONTINUATION, *CONTROL, *SETTINGS, *EXTENSIONS])
def test_case(address: tuple[str, int], each: Case) -> None:
    judge(address, each)


BEGINNINGS = [
    case("3.4", "another preface", PREFACE[:-8] + b"XX\r\n\r\n" + settings(), Closed()),
    case("3.4", "no HTTP at all", b"\x16\x03\x01\x02\x00\x01" + bytes(60), Closed()),
    case("3.4", "PING before SETTINGS", PREFACE + ping() + settings(), PROTOCOL),
    case("3.4", "HEADERS before SETTINGS", PREFACE + call() + settings(), PROTOCOL),
]


@pytest.mark.parametrize("each", BEGINNINGS)
def test_beginning(address: tuple[str, int], each: Case) -> None:
    with RawClient(address, greet=False) as client:
        client.send(each.sent)
        client.read_to_end()
        codes = {GoAway(Code(one.number)) for one in client.of(Kind.GOAWAY)}
        assert codes <= {PROTOCOL} and (codes or Closed() in each.expected)


def test_a_preface_that_is_cut_ends_the_connection(address: tuple[str, int]) -> None:
    with RawClient(address, greet=False) as client:
        client.send(PREFACE[:11])
        client.end()
        client.read_to_end()


def test_byte_by_byte(address: tuple[str, int]) -> None:
    with RawClient(address, greet=False) as client:
        for byte in PREFACE + settings() + ping() + call():
            client.send(bytes([byte]))
        assert client.read_until(lambda: client.has_ended(1))
        assert client.payload() == message()


def test_the_server_begins_with_its_settings(address: tuple[str, int]) -> None:
    with RawClient(address) as client:
        client.read_until(lambda: client.of(Kind.SETTINGS))
        first = client.frames[0]
        assert (first.kind, first.flags, first.stream) == (Kind.SETTINGS, 0, 0)
        assert len(first.payload) % 6 == 0


def test_settings_are_acknowledged_each(address: tuple[str, int]) -> None:
    with RawClient(address) as client:
        client.send(settings(), settings((1, 100)), call(stream=PROBE))
        assert client.read_until(lambda: client.has_ended(PROBE))
        assert [each.flags for each in client.of(Kind.SETTINGS)] == [0, ACK, ACK, ACK]


def test_ping_comes_back(address: tuple[str, int]) -> None:
    with RawClient(address) as client:
        client.send(ping(b"abcdefgh"))
        assert client.read_until(lambda: client.of(Kind.PING))
        assert client.of(Kind.PING)[0] == (Kind.PING, ACK, 0, b"abcdefgh", ())


def test_a_small_table_is_said_in_the_next_block(address: tuple[str, int]) -> None:
    """RFC 7541, 4.2: strict clients end the connection otherwise; the decoder here is one"""
    with RawClient(address, (Setting.HEADER_TABLE_SIZE, 0)) as client:
        client.send(call(), headers(request(path=b"/no/Such"), 3, end=True))
        assert client.read_until(lambda: client.has_ended(1) and client.has_ended(3))
        assert client.of(Kind.HEADERS)[0].payload[:1] == b"\x20"
