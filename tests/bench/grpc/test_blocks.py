from __future__ import annotations

import pytest
from hpack import Encoder

from eas_processor.bench.grpc.blocks import Blocks, Fields

HEADERS = [(":status", "200"), ("content-type", "application/grpc")]
TRAILERS = [("grpc-status", "0"), ("grpc-message", "")]


def test_blocks_that_the_table_shortens_are_read_again_and_again() -> None:
    encoder, blocks = Encoder(), Blocks()
    for _ in range(5):
        assert blocks.read(encoder.encode(HEADERS)) == Fields(200, None, "")
        assert blocks.read(encoder.encode(TRAILERS)) == Fields(None, 0, "")


def test_a_known_block_is_forgotten_when_the_table_changes() -> None:
    encoder, blocks = Encoder(), Blocks()
    for status in ("1", "2", "3"):
        # The same bytes, an index, stand for the newest entry each time.
        blocks.read(encoder.encode([("grpc-status", status)]))
        assert blocks.read(encoder.encode([("grpc-status", status)])).grpc_status == int(status)


def test_the_same_entry_inserted_again_moves_the_others() -> None:
    blocks = Blocks()
    insert = b"\x40\x0bgrpc-status\x01"
    blocks.read(insert + b"5")
    blocks.read(insert + b"7")
    assert blocks.read(b"\xbf").grpc_status == 5
    blocks.read(insert + b"7")
    assert blocks.read(b"\xbf").grpc_status == 7


def test_a_table_without_room_keeps_nothing() -> None:
    encoder, blocks = Encoder(), Blocks()
    encoder.header_table_size = 0
    for status in ("1", "2"):
        assert blocks.read(encoder.encode([("grpc-status", status)])).grpc_status == int(status)


def test_a_message_is_percent_decoded() -> None:
    block = Encoder().encode([("grpc-status", "3"), ("grpc-message", "n%C3%B6 %41%")])
    assert Blocks().read(block) == Fields(None, 3, "nö A%")


def test_what_is_no_block_is_said() -> None:
    with pytest.raises(ValueError, match="headers that cannot be read"):
        Blocks().read(b"\xff\xff\xff")
