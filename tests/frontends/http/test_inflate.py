from __future__ import annotations

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eas_processor.frontends.http.inflate import PIECE, Inflater
from eas_processor.frontends.http.refusals import ContentTooLarge, Malformed

BODY = bytes(range(256)) * 20


def inflate(data: bytes, piece: int, limit: int) -> bytes:
    inflater = Inflater(limit)
    pieces = []
    for at in range(0, len(data), piece):
        inflater.feed(data[at : at + piece])
        while inflater.pending:
            pieces.append(inflater.take())
    assert all(len(each) <= PIECE for each in pieces)
    inflater.finish()
    return b"".join(pieces)


@given(body=st.binary(max_size=2000), piece=st.integers(1, 3000))
def test_any_cut_inflates_to_the_same(body: bytes, piece: int) -> None:
    assert inflate(gzip.compress(body), piece, len(body)) == body


@pytest.mark.parametrize("piece", [1, 10_000])
def test_more_than_the_limit_is_refused(piece: int) -> None:
    with pytest.raises(ContentTooLarge, match=f"limit of {len(BODY) - 1} bytes"):
        inflate(gzip.compress(BODY), piece, len(BODY) - 1)


def test_a_bomb_is_refused_before_it_is_inflated() -> None:
    inflater = Inflater(1000)
    inflater.feed(gzip.compress(bytes(100_000_000)))
    with pytest.raises(ContentTooLarge):
        inflater.take()


@pytest.mark.parametrize("size", [PIECE - 1, PIECE, PIECE + 1, 3 * PIECE, 3 * PIECE + 200])
def test_a_body_comes_in_pieces_up_to_its_last_byte(size: int) -> None:
    assert inflate(gzip.compress(bytes(size)), 2**20, 2**30) == bytes(size)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"not gzip", "not gzip"),
        (gzip.compress(BODY)[:-9], "ends too early"),
        (gzip.compress(BODY) + b"x", "after the end of its gzip data"),
        (b"", "ends too early"),
    ],
)
def test_what_is_not_one_whole_gzip_body(data: bytes, words: str) -> None:
    with pytest.raises(Malformed, match=words):
        inflate(data, 100, len(BODY))
