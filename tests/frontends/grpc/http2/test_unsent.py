"""What waits to be sent is cut into frames, and let go of piece by piece."""

from __future__ import annotations

import struct

from eas_processor.frontends.grpc.http2.unsent import Unsent


def taken(unsent: Unsent, most: int) -> bytes:
    """Return the payload of the next frame."""
    out: list[bytes | memoryview] = []
    size = unsent.take(7, most, out)
    head, payload = map(bytes, out)
    assert struct.unpack(">IBI", head) == (size << 8, 0, 7)
    assert len(payload) == size <= most
    return payload


def test_frames_are_as_long_as_they_may_be() -> None:
    unsent = Unsent()
    unsent.add([b"abc", b"", b"defgh"])
    assert [taken(unsent, most) for most in (2, 2, 4, 9)] == [b"ab", b"c", b"defg", b"h"]
    assert unsent.size == 0


def test_a_piece_is_held_until_all_of_it_is_sent() -> None:
    unsent = Unsent()
    unsent.add([bytes(100), bytes(10)])
    taken(unsent, 99)
    assert unsent.size == 110
    taken(unsent, 99)
    assert unsent.size == 10
