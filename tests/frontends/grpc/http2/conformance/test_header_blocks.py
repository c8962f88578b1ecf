"""Header blocks: RFC 7541, whose sections are named, and the cache of known blocks before it."""

from __future__ import annotations

import pytest
from frontends.grpc.http2.conformance.cases import (
    ANSWERED,
    Case,
    GoAway,
    Reset,
    Status,
    case,
    judge,
)
from frontends.grpc.http2.raw_client import (
    ECHO,
    SIZE,
    Code,
    RawClient,
    block,
    data,
    headers,
    integer,
    literal,
    message,
    request,
    text,
)
from hpack import Encoder

COMPRESSION = GoAway(Code.COMPRESSION_ERROR)
BLOCK = block()
WITHOUT_PATH = request(path=None)
BODY = data(message(b"12345"), end=True)
TABLE = 4096
INSERT = literal(b"x", b"y", 0x40)
NEWEST = b"\xbe"
"""Index 62: the entry that was inserted last."""


def resize(size: int) -> bytes:
    return integer(size, 5, 0x20)


def huffman(*coded: int) -> bytes:
    """Return a field `x` whose value is these bytes of Huffman code."""
    return b"\0" + text(b"x") + bytes([0x80 | len(coded), *coded])


BROKEN = [
    case("6.1", "index 0", headers(BLOCK + b"\x80", end=True), COMPRESSION),
    case("2.3.3", "an index beyond the table", headers(BLOCK + NEWEST), COMPRESSION),
    case("2.3.3", "an index far beyond it", headers(BLOCK + integer(2**20, 7, 0x80)), COMPRESSION),
    case("6.2.2", "a name beyond the table", headers(BLOCK + b"\x0f\x2f\x01a"), COMPRESSION),
    case("6.2.1", "an inserted name beyond it", headers(BLOCK + b"\x7e\x01a"), COMPRESSION),
    case("6.3", "a table above the limit", headers(resize(TABLE + 1) + BLOCK), COMPRESSION),
    case("4.2", "a new size behind a field", headers(BLOCK + resize(0)), COMPRESSION),
    case(
        "4.4",
        "an entry that was evicted",
        headers(INSERT + NEWEST + BLOCK + NEWEST) + headers(resize(0) + BLOCK + NEWEST, 3),
        COMPRESSION,
    ),
    case("5.1", "a cut integer", headers(BLOCK + b"\xff"), COMPRESSION),
    case("5.1", "an integer without end", headers(BLOCK + b"\xff" * 20 + b"\x7f"), COMPRESSION),
    case("5.2", "a cut name", headers(BLOCK + b"\0\x05ab"), COMPRESSION),
    case("5.2", "a name without a value", headers(BLOCK + b"\0\x01a"), COMPRESSION),
    case("5.2", "a cut value", headers(BLOCK + b"\0\x01a\x7f\x01abc"), COMPRESSION),
    case(
        "5.2",
        "a string of 2^28 bytes",
        headers(BLOCK + b"\0\x01a" + integer(2**28, 7)),
        COMPRESSION,
    ),
    case("5.2", "Huffman padding of zeros", headers(BLOCK + huffman(0x18)), COMPRESSION),
    case("5.2", "Huffman padding of a byte", headers(BLOCK + huffman(0x1F, 0xFF)), COMPRESSION),
    case("5.2", "EOS in a string", headers(BLOCK + huffman(0xFF, 0xFF, 0xFF, 0xFF)), COMPRESSION),
    case(
        "4.1",
        "a block for a stream that was reset",
        [headers(), b"\0\0\4\3\0\0\0\0\1\0\0\0\x08", headers(b"\x80", end=True)],
        COMPRESSION,
        GoAway(Code.STREAM_CLOSED),
        GoAway(Code.PROTOCOL_ERROR),
    ),
]

GOOD = [
    case("6.2.3", "never indexed", [headers(BLOCK + literal(b"x", b"y", 0x10)), BODY], ANSWERED),
    case(
        "6.2.1",
        "inserted, and used",
        [headers(INSERT + BLOCK + NEWEST), BODY],
        Reset(Code.PROTOCOL_ERROR),
    ),
    case("6.2.1", "inserted behind, and used", [headers(BLOCK + INSERT + NEWEST), BODY], ANSWERED),
    case(
        "6.2.1", "a name of the own table", [headers(BLOCK + INSERT + b"\x7e\x01z"), BODY], ANSWERED
    ),
    case("6.3", "a table of nothing", [headers(resize(0) + BLOCK + INSERT), BODY], ANSWERED),
    case("6.3", "the largest table", [headers(resize(TABLE) + BLOCK), BODY], ANSWERED),
    case("4.2", "two new sizes", [headers(resize(0) + resize(TABLE) + BLOCK), BODY], ANSWERED),
    case(
        "4.4",
        "an entry above the table",
        [headers(BLOCK + literal(b"x", b"v" * 5000, 0x40)), BODY],
        ANSWERED,
    ),
    case("5.2", "empty strings", [headers(BLOCK + literal(b"x", b"")), BODY], ANSWERED),
    case("5.2", "Huffman code", [headers(BLOCK + huffman(0x1F)), BODY], ANSWERED),
    case(
        "A",
        "fields of the static table",
        [
            headers(b"\x83\x86\x04" + text(ECHO) + literal(b"content-type", b"application/grpc")),
            BODY,
        ],
        ANSWERED,
    ),
    case(
        "A",
        "a path of the static table",
        [headers(b"\x83\x86\x84" + literal(b"content-type", b"application/grpc")), BODY],
        Status(12),
    ),
]


@pytest.mark.parametrize("each", [*BROKEN, *GOOD])
def test_case(address: tuple[str, int], each: Case) -> None:
    judge(address, each)


def with_path(path: bytes) -> bytes:
    """Return a whole block, whose path is this representation."""
    fields = [literal(name, value) for name, value in WITHOUT_PATH]
    return b"".join([*fields[:2], path, *fields[2:]])


def answers(address: tuple[str, int], *blocks: bytes) -> list[bytes]:
    """Return what comes of a call with each of the blocks, one after the other."""
    with RawClient(address) as client:
        for number, each in enumerate(blocks):
            stream = 2 * number + 1
            client.send(headers(each, stream) + data(message(b"12345"), stream, end=True))
            assert client.read_until(lambda stream=stream: client.has_ended(stream))
        return [client.payload(2 * number + 1)[5:] for number in range(len(blocks))]


def test_equal_bytes_mean_others_once_something_was_inserted(address: tuple[str, int]) -> None:
    """The newest entry is another after each insertion: what was known of the block is to go"""
    echo, size = (with_path(literal(b":path", path, 0x40)) for path in (ECHO, SIZE))
    newest, before = with_path(NEWEST), with_path(b"\xbf")
    sent = [echo, newest, newest, newest, size, newest, newest, before, before]
    echoed, counted = b"12345", b"5"
    assert answers(address, *sent) == [echoed] * 4 + [counted] * 3 + [echoed] * 2


def test_equal_bytes_mean_nothing_once_the_table_was_emptied(address: tuple[str, int]) -> None:
    newest = with_path(NEWEST)
    with RawClient(address) as client:
        client.send(headers(with_path(literal(b":path", ECHO, 0x40)), 1))
        for stream in (3, 5, 7):
            client.send(headers(newest, stream))
        client.send(headers(resize(0) + BLOCK, 9), headers(newest, 11))
        client.read_to_end()
        assert [each.number for each in client.of(7)] == [Code.COMPRESSION_ERROR]


def test_a_block_of_a_refused_call_changes_the_table(address: tuple[str, int]) -> None:
    refused = with_path(literal(b":path", SIZE, 0x40)) + literal(b"Upper", b"case")
    with RawClient(address) as client:
        client.send(headers(refused), headers(with_path(NEWEST), 3))
        client.send(data(message(b"12345"), 3, end=True))
        assert client.read_until(lambda: client.has_ended(3))
        assert client.payload(3) == message(b"5")


def test_trailers_change_the_table(address: tuple[str, int]) -> None:
    with RawClient(address) as client:
        client.send(headers(with_path(literal(b":path", SIZE, 0x40))), data(message(b"12345")))
        client.send(headers(INSERT, end=True))
        client.send(headers(with_path(b"\xbf"), 3), data(message(b"12345"), 3, end=True))
        assert client.read_until(lambda: client.has_ended(3))
        assert client.payload(1) == client.payload(3) == message(b"5")


@pytest.mark.parametrize("huffman", [False, True])
def test_blocks_of_an_encoder_with_deadlines_that_vary(
    address: tuple[str, int], huffman: bool
) -> None:
    """200 insertions: entries are evicted, and what a client repeats is inserted anew"""
    encoder = Encoder()
    blocks = [
        encoder.encode(request((b"grpc-timeout", b"%du" % (9_000_000 + n))), huffman=huffman)
        for n in range(200)
    ]
    assert answers(address, *blocks) == [b"12345"] * 200
