"""Streams and their windows: RFC 9113, sections 5 and 6.9."""

from __future__ import annotations

import pytest
from frontends.grpc.http2.conformance.cases import (
    ANSWERED,
    PROBE,
    Case,
    GoAway,
    Ignored,
    Reset,
    Status,
    case,
    judge,
)
from frontends.grpc.http2.raw_client import (
    LARGEST_WINDOW,
    LATE,
    SIZE,
    Code,
    Kind,
    RawClient,
    Setting,
    call,
    data,
    frame,
    headers,
    literal,
    message,
    request,
    reset,
    settings,
    u32,
    window_update,
)

PROTOCOL = GoAway(Code.PROTOCOL_ERROR)
CLOSED = (GoAway(Code.STREAM_CLOSED), Reset(Code.STREAM_CLOSED))
HEAD = headers()
LATE_CALL = call(path=LATE)
MALFORMED = Reset(Code.PROTOCOL_ERROR)
WINDOW = Setting.INITIAL_WINDOW_SIZE

STATES = [
    case("5.1", "DATA on a half-closed stream", [LATE_CALL, data(b"x")], *CLOSED),
    case("5.1", "HEADERS on a half-closed stream", [LATE_CALL, HEAD], *CLOSED),
    case("5.1", "trailers on a half-closed stream", [LATE_CALL, headers(end=True)], *CLOSED),
    case(
        "5.1", "WINDOW_UPDATE on a half-closed stream", [LATE_CALL, window_update(1, 1)], ANSWERED
    ),
    case(
        "5.1", "PRIORITY on a half-closed stream", [LATE_CALL, frame(2, 0, 1, bytes(5))], ANSWERED
    ),
    case("5.1", "RST_STREAM on a half-closed stream", [LATE_CALL, reset()], Ignored()),
    case("5.1", "DATA behind RST_STREAM", [HEAD, reset(), data(b"x")], *CLOSED),
    case("5.1", "HEADERS behind RST_STREAM", [HEAD, reset(), HEAD], *CLOSED, PROTOCOL),
    case("5.1", "WINDOW_UPDATE behind RST_STREAM", [HEAD, reset(), window_update(1, 1)], Ignored()),
    case("5.1", "RST_STREAM twice", [HEAD, reset(), reset()], Ignored()),
    case("5.1", "PRIORITY behind RST_STREAM", [HEAD, reset(), frame(2, 0, 1, bytes(5))], Ignored()),
    case("5.1", "RST_STREAM in the middle of a message", [HEAD, data(b"\0\0"), reset()], Ignored()),
    case("5.1.1", "streams with gaps", [call(stream=5), call(stream=99)], Status(0, 99)),
    case(
        "5.1.1",
        "a stream below the last one",
        [call(stream=5), call(stream=3)],
        PROTOCOL,
        GoAway(Code.STREAM_CLOSED),
    ),
    case(
        "5.1",
        "DATA on a stream that was passed over",
        [call(stream=5), data(b"x", 3)],
        *[GoAway(Code.STREAM_CLOSED), PROTOCOL, Reset(Code.STREAM_CLOSED, 3)],
    ),
    case("8.1", "trailers", [HEAD, data(message()), headers([(b"x", b"y")], end=True)], ANSWERED),
    case(
        "8.1",
        "trailers that do not end",
        [HEAD, data(message()), headers([(b"x", b"y")])],
        MALFORMED,
    ),
    case(
        "8.1",
        "trailers with a pseudo-header",
        [HEAD, data(message()), headers([(b":path", b"/")], end=True)],
        MALFORMED,
    ),
    case(
        "8.1",
        "trailers with an upper-case name",
        [HEAD, data(message()), headers([(b"X", b"y")], end=True)],
        MALFORMED,
    ),
    case(
        "8.2.2",
        "trailers that speak of the connection",
        [HEAD, data(message()), headers([(b"connection", b"close")], end=True)],
        MALFORMED,
    ),
    case(
        "6.8",
        "a client that goes away is answered",
        [LATE_CALL, frame(Kind.GOAWAY, 0, 0, u32(0) + u32(0))],
        ANSWERED,
    ),
]

WINDOWS = [
    case("6.9", "no increment of the connection", window_update(0), PROTOCOL),
    case("6.9", "no increment of a stream", [HEAD, window_update(0, 1)], MALFORMED),
    case(
        "6.9.1",
        "the connection's window above 2^31 - 1",
        window_update(LARGEST_WINDOW),
        GoAway(Code.FLOW_CONTROL_ERROR),
    ),
    case(
        "6.9.1",
        "a stream's window above 2^31 - 1",
        [HEAD, window_update(LARGEST_WINDOW, 1)],
        Reset(Code.FLOW_CONTROL_ERROR),
    ),
    case(
        "6.9.1",
        "windows of 2^31 - 1",
        [
            HEAD,
            window_update(LARGEST_WINDOW - 65535, 1),
            window_update(LARGEST_WINDOW - 65535),
            data(message(), end=True),
        ],
        ANSWERED,
    ),
    case(
        "6.9.2",
        "SETTINGS push an open stream's window above 2^31 - 1",
        [HEAD, window_update(LARGEST_WINDOW - 65535, 1), settings((WINDOW, 65536))],
        GoAway(Code.FLOW_CONTROL_ERROR),
    ),
]


@pytest.mark.parametrize("each", [*STATES, *WINDOWS])
def test_case(address: tuple[str, int], each: Case) -> None:
    judge(address, each)


@pytest.mark.parametrize(
    "late", [data(b"x"), HEAD, headers(end=True)], ids=["DATA", "HEADERS", "trailers"]
)
def test_a_frame_on_a_stream_that_was_answered(address: tuple[str, int], late: bytes) -> None:
    """RFC 9113, 5.1: an error of type STREAM_CLOSED, of the connection or of the stream"""
    with RawClient(address) as client:
        client.send(call())
        client.read_until(lambda: client.has_ended(1))
        client.send(late)
        client.send(call(stream=3))
        client.read_until(lambda: client.has_ended(3))
        ends = client.of(Kind.GOAWAY) + client.of(Kind.RST_STREAM, 1)
        assert [each.number for each in ends] == [Code.STREAM_CLOSED]


def test_frames_behind_an_answer_that_came_early_are_ignored(address: tuple[str, int]) -> None:
    """RFC 9113, 8.1: the server resets the stream with NO_ERROR once it has said all"""
    with RawClient(address) as client:
        client.send(headers(), data(b"\0" + u32(2**32 - 1)))
        client.read_until(lambda: client.of(Kind.HEADERS, 1))
        for _ in range(100):
            client.send(data(bytes(1000)), window_update(1, 1))
        client.send(headers([(b"x", b"y")], end=True), call(stream=3))
        assert client.read_until(lambda: client.has_ended(3))
        assert client.payload(3) == message()
        assert [each.number for each in client.of(Kind.RST_STREAM)] in ([], [Code.NO_ERROR])
        assert client.fields()[b"grpc-status"] == b"8"


def limit_of(client: RawClient, setting: int) -> int:
    """Return what the server's SETTINGS say."""
    client.read_until(lambda: client.of(Kind.SETTINGS))
    payload = client.of(Kind.SETTINGS)[0].payload
    pairs = [payload[at : at + 6] for at in range(0, len(payload), 6)]
    told = {int.from_bytes(p[:2], "big"): int.from_bytes(p[2:], "big") for p in pairs}
    return told[setting]


def test_streams_above_the_limit_are_refused(address: tuple[str, int]) -> None:
    """RFC 9113, 5.1.2; their blocks are decoded all the same, or later ones would mean others"""
    with RawClient(address) as client:
        limit = limit_of(client, Setting.MAX_CONCURRENT_STREAMS)
        assert limit >= 100  # RFC 9113, 6.5.2, recommends no less
        client.send(b"".join(headers(stream=2 * n + 1) for n in range(limit)))
        over = 2 * limit + 1
        client.send(headers(request_block(literal(b":path", SIZE, 0x40)), over))
        client.read_until(lambda: client.has_ended(over))
        assert [(f.stream, f.number) for f in client.of(Kind.RST_STREAM)] == [
            (over, Code.REFUSED_STREAM)
        ]
        client.send(reset(1), reset(3), headers(request_block(b"\xbe"), over + 2))
        client.send(data(message(b"12345"), over + 2, end=True))
        assert client.read_until(lambda: client.has_ended(over + 2))
        assert client.payload(over + 2) == message(b"5")


def request_block(path: bytes) -> bytes:
    """Return the block of a call, with this representation of its path."""
    fields = [literal(name, value) for name, value in request(path=None)]
    return b"".join([*fields[:2], path, *fields[2:]])


def test_an_answer_waits_for_the_windows(address: tuple[str, int]) -> None:
    with RawClient(address, (WINDOW, 10)) as client:
        client.send(call(bytes(95)))
        client.read_until(lambda: len(client.payload()) >= 10)
        client.send(frame(Kind.PING, 0, 0, bytes(8)))
        client.read_until(lambda: client.of(Kind.PING))
        assert len(client.payload()) == 10
        client.send(window_update(15, 1))
        client.read_until(lambda: len(client.payload()) >= 25)
        client.send(settings((WINDOW, 100)))
        assert client.read_until(lambda: client.has_ended(1))
        assert client.payload() == message(bytes(95))


def test_a_window_may_become_negative(address: tuple[str, int]) -> None:
    """RFC 9113, 6.9.2: 10 were taken; a window of 4 leaves -6, and 6 more leave nothing to send"""
    with RawClient(address, (WINDOW, 10)) as client:
        client.send(call(bytes(45)))
        client.read_until(lambda: len(client.payload()) >= 10)
        client.send(settings((WINDOW, 4)), window_update(6, 1), call(stream=3, path=b"/no/Such"))
        client.read_until(lambda: client.has_ended(3))
        assert len(client.payload()) == 10
        client.send(window_update(40, 1))
        assert client.read_until(lambda: client.has_ended(1))
        assert client.payload() == message(bytes(45))


def test_answers_share_the_window_of_the_connection(address: tuple[str, int]) -> None:
    with RawClient(address, (WINDOW, 2**20)) as client:
        client.send(call(bytes(50_000)), call(bytes(50_000), 3))
        client.read_until(lambda: len(client.payload(1) + client.payload(3)) >= 65535)
        client.send(frame(Kind.PING, 0, 0, bytes(8)))
        client.read_until(lambda: client.of(Kind.PING))
        assert len(client.payload(1) + client.payload(3)) == 65535
        client.send(window_update(100_000))
        assert client.read_until(lambda: client.has_ended(1) and client.has_ended(3))
        assert client.payload(1) == client.payload(3) == message(bytes(50_000))


def test_a_status_needs_no_window(address: tuple[str, int]) -> None:
    with RawClient(address, (WINDOW, 0)) as client:
        client.send(call(path=b"/no/Such"))
        assert client.read_until(lambda: client.has_ended(1))
        assert client.fields()[b"grpc-status"] == b"12"


@pytest.mark.parametrize("largest", [16384, 30000])
def test_answers_come_in_frames_that_the_client_takes(
    address: tuple[str, int], largest: int
) -> None:
    pairs = (WINDOW, 2**20), (Setting.MAX_FRAME_SIZE, largest)
    with RawClient(address, *pairs) as client:
        client.send(window_update(2**20), call(bytes(200_000)))
        assert client.read_until(lambda: client.has_ended(1))
        assert client.payload() == message(bytes(200_000))
        assert max(len(each.payload) for each in client.of(Kind.DATA)) <= largest


def increments(client: RawClient, stream: int) -> int:
    """Return by how much the server has opened a window."""
    updates = client.of(Kind.WINDOW_UPDATE, stream)
    return sum(int.from_bytes(each.payload, "big") for each in updates)


def test_the_server_opens_its_windows_for_a_large_message(address: tuple[str, int]) -> None:
    """The client here keeps to the windows: it sends what it may, and waits for more"""
    body = message(bytes(9_000_000))
    with RawClient(address) as client:
        first = limit_of(client, WINDOW)

        def allowed() -> int:
            """Return how many bytes may have been sent by now."""
            return min(65535 + increments(client, 0), first + increments(client, 1))

        client.send(headers(request(path=SIZE)))
        sent = 0
        while sent < len(body):
            before = sent
            assert client.read_until(lambda before=before: allowed() > before)
            piece = body[sent : min(sent + 16384, allowed())]
            sent += len(piece)
            client.send(data(piece, end=sent == len(body)))
        assert client.read_until(lambda: client.has_ended(1))
        assert client.payload() == message(b"9000000")


def test_a_reset_takes_back_an_answer_that_waits(address: tuple[str, int]) -> None:
    with RawClient(address, (WINDOW, 0)) as client:
        client.send(call())
        client.read_until(lambda: client.of(Kind.HEADERS, 1))
        client.send(reset(), window_update(100, 1), settings((WINDOW, 65535)), call(stream=PROBE))
        assert client.read_until(lambda: client.has_ended(PROBE))
        assert not client.has_ended(1) and client.payload() == b""
