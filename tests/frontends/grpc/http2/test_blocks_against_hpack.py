"""A connection decodes header blocks by its own walk as the `hpack` library does."""

from __future__ import annotations

import random

import pytest
from hpack import Decoder, Encoder

from eas_processor.frontends.grpc.http2.blocks import Blocks
from eas_processor.frontends.grpc.http2.faults import ConnectionFault

BLOCKS_OF_ONE_ENCODER = 100
NAMES = [
    *(b":path", b":authority", b":method", b"grpc-timeout", b"te", b"content-type"),
    *(b"authorization", b"user-agent", b"x-empty", b"x-" + b"a" * 200),
]


def fields_of(source: random.Random) -> list[tuple[bytes, bytes, bool]]:
    """Return up to eight fields, some of them never to be indexed."""
    values = [b"trailers", b"%du" % source.randrange(10**8), b"v" * source.randrange(300), b""]
    return [
        (source.choice(NAMES), source.choice([*values, b"POST", b"application/grpc"]), odd)
        for odd in (source.random() < 0.1 for _ in range(source.randrange(1, 9)))
    ]


@pytest.mark.parametrize("seed", range(20))
def test_blocks_of_an_encoder(seed: int) -> None:
    source = random.Random(seed)
    encoder, library, blocks = Encoder(), Decoder(), Blocks[None]()
    for number in range(BLOCKS_OF_ONE_ENCODER):
        if number % 25 == 20:
            encoder.header_table_size = source.choice([0, 200, 1000, 4096])
        block = encoder.encode(fields_of(source), huffman=source.random() < 0.5)
        entries = list(library.header_table.dynamic_entries)
        expected = [(name, value) for name, value in library.decode(block, raw=True)]
        fields, unchanged = blocks.decode(block)
        assert fields == expected
        assert list(blocks._table.dynamic_entries) == list(library.header_table.dynamic_entries)
        if unchanged:
            assert list(library.header_table.dynamic_entries) == entries


def test_entries_behind_many_deadlines() -> None:
    """What was inserted first has an index that takes two bytes, which is walked as well"""
    encoder, library, blocks = Encoder(), Decoder(), Blocks[None]()
    usual = [(b":path", b"/test.Echo/Echo"), (b"te", b"trailers")]
    for number in range(200):
        block = encoder.encode([*usual, (b"grpc-timeout", b"%dm" % number)], huffman=False)
        fields = [(name, value) for name, value in library.decode(block, raw=True)]
        assert blocks._walk(block) is not None
        assert blocks.decode(block) == (fields, False)


def test_a_block_that_is_long_is_not_remembered() -> None:
    """64 of 16 KB, on each of thousands of connections, would be gigabytes"""
    blocks = Blocks[None]()
    blocks.learn(bytes(8), None)
    blocks.learn(bytes(16 * 1024), None)
    assert list(blocks.known) == [bytes(8)]


@pytest.mark.parametrize("seed", range(20))
def test_broken_blocks(seed: int) -> None:
    """Whatever the bytes are: both understand them, or neither"""
    source = random.Random(seed)
    encoder = Encoder()
    whole = [encoder.encode(fields_of(source)) for _ in range(20)]
    for _ in range(200):
        library, blocks = Decoder(), Blocks[None]()
        for block in whole[: source.randrange(5)]:
            library.decode(block, raw=True)
            blocks.decode(block)
        broken = bytearray(source.choice(whole))
        for _ in range(source.choice((1, 1, 3))):
            broken[source.randrange(len(broken))] = source.randrange(256)
        expected = decoded_by(library, bytes(broken))
        try:
            fields, _ = blocks.decode(bytes(broken))
        except ConnectionFault:
            assert expected is None
        else:
            assert fields == expected


def test_index_0_stands_for_no_field() -> None:
    """RFC 7541, 6.1: it looks like a literal field whose name follows"""
    block = b"\x80\x01a\x01b"
    assert decoded_by(Decoder(), block) is None
    with pytest.raises(ConnectionFault):
        Blocks[None]().decode(block)


def decoded_by(library: Decoder, block: bytes) -> list[tuple[bytes, bytes]] | None:
    """Return the fields of a block, or None where it cannot be decoded."""
    try:
        return [(name, value) for name, value in library.decode(block, raw=True)]
    except Exception:
        return None
