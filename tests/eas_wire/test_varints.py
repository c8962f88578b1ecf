import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eas_wire.errors import MalformedMessage
from eas_wire.varints import pack_varints, read_varint, unpack_varints, write_varint

INT64 = st.one_of(st.integers(-(1 << 63), (1 << 63) - 1), st.integers(0, 300))


@given(st.lists(INT64))
def test_packed_numbers_are_the_numbers_one_after_another(numbers):
    packed = b"".join(write_varint(number % (1 << 64)) for number in numbers)
    assert pack_varints(np.array(numbers, np.int64)) == packed
    assert unpack_varints(packed).tolist() == numbers


@given(st.integers(0, (1 << 64) - 1), st.binary(max_size=3), st.binary(max_size=3))
def test_one_number_is_read_where_it_stands(number, before, after):
    view = memoryview(before + write_varint(number) + after)
    assert read_varint(view, len(before)) == (number, len(view) - len(after))


@pytest.mark.parametrize("width", range(1, 11))
def test_numbers_that_lie_across_blocks(width):
    numbers = np.full(40000, (1 << 7 * (width - 1)) - (1 << 64) * (width == 10), np.int64)
    numbers[::3] = 1
    assert unpack_varints(pack_varints(numbers)).tolist() == numbers.tolist()


def test_bits_beyond_64_are_dropped():
    assert unpack_varints(b"\xff" * 9 + b"\x7f").tolist() == [-1]
    assert read_varint(memoryview(b"\xff" * 9 + b"\x7f"), 0) == ((1 << 64) - 1, 10)


@pytest.mark.parametrize("packed", [b"\x80" * 10 + b"\1", b"\x80" * 40000 + b"\1"])
def test_refuses_numbers_longer_than_ten_bytes(packed):
    with pytest.raises(MalformedMessage, match="longer than 10 bytes"):
        unpack_varints(packed)
    with pytest.raises(MalformedMessage, match="longer than 10 bytes"):
        read_varint(memoryview(packed), 0)


def test_refuses_a_number_that_is_cut_off():
    with pytest.raises(MalformedMessage, match="cut off"):
        unpack_varints(b"\1\x80")
    with pytest.raises(IndexError):
        read_varint(memoryview(b"\x80"), 0)
