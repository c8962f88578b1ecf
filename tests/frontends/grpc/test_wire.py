from __future__ import annotations

import pytest

from eas_processor.frontends.grpc.wire import (
    MalformedError,
    fields,
    length_field,
    number_field,
    read_varint,
    text_field,
    varint,
)


@pytest.mark.parametrize(
    ("value", "content"),
    [
        (0, b"\x00"),
        (127, b"\x7f"),
        (300, b"\xac\x02"),
        ((1 << 64) - 1, b"\xff" * 9 + b"\x01"),
        (-1, b"\xff" * 9 + b"\x01"),
    ],
)
def test_numbers_are_those_of_the_encoding(value: int, content: bytes) -> None:
    assert varint(value) == content
    assert read_varint(content, 0) == (value & 0xFFFFFFFFFFFFFFFF, len(content))


def test_fields_are_read_with_their_place() -> None:
    message = (
        number_field(1, 150)
        + length_field(2, b"ab")
        + b"\x1d"
        + b"\x00" * 4
        + b"\x21"
        + b"\x00" * 8
        + text_field(300, "c")
    )
    assert list(fields(message)) == [
        (1, 0, 1, 3),
        (2, 2, 5, 7),
        (3, 5, 8, 12),
        (4, 1, 13, 21),
        (300, 2, 24, 25),
    ]


def test_what_is_empty_is_left_out() -> None:
    assert number_field(1, 0) == text_field(1, "") == b""
    assert length_field(1, b"") == b"\x0a\x00"


@pytest.mark.parametrize(
    "message",
    [b"\x0a\x02a", b"\x08", b"\x80", b"\x09\x00", b"\x0d\x00", b"\x0b", b"\x08" + b"\xff" * 11],
)
def test_what_is_cut_off_or_unknown_is_an_error(message: bytes) -> None:
    with pytest.raises(MalformedError):
        list(fields(message))


def test_a_message_has_a_bounded_number_of_fields() -> None:
    with pytest.raises(MalformedError, match="more than 10000 fields"):
        list(fields(b"\x08\x01" * 10_001))
