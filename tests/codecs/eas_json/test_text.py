"""Both JSON libraries return the same values and write the same text."""

import json

import numpy as np
import pytest
from fixtures import need
from hypothesis import given, settings
from hypothesis import strategies as st

from eas_processor.codecs.eas_json import text as json_text
from eas_processor.codecs.eas_json.text import NotJson, begin_of, loads, refusal, write_numbers
from eas_processor.codecs.errors import CodecError

needs_orjson = need.unless(json_text.orjson, "needs orjson")
DTYPES = ["float16", "float32", "float64", "bool"]
DTYPES += ["int8", "uint8", "int16", "uint16", "int32", "int64"]


def numbers_of_standard_library(array):
    """Return the text that the standard library writes."""
    if array.dtype.kind == "f" and array.itemsize < 8:
        array = array.astype("S32").astype(np.float64)
    return json.dumps(array.tolist())


@needs_orjson
@pytest.mark.parametrize("dtype", DTYPES)
def test_numbers_are_written_with_the_same_digits(dtype):
    @given(st.data())
    @settings(max_examples=100, deadline=None)
    def check(data):
        shape = data.draw(st.sampled_from([(), (3,), (2, 3), (2, 1, 2), (0,), (2, 0)]))
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        raw = data.draw(st.binary(min_size=size, max_size=size))
        array = np.frombuffer(bytearray(raw or b"\0"), np.uint8)[:size]
        array = (array & 1).astype(bool) if dtype == "bool" else array.view(dtype)
        array = array.reshape(shape)
        expected = numbers_of_standard_library(array)
        text = write_numbers(array).decode()
        # As text, for NaN is not equal to itself.
        assert repr(json.loads(text)) == repr(json.loads(expected))
        assert text.count(" ") == expected.count(" ")

    check()


def test_an_array_that_does_not_lie_in_order_is_written_in_order():
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert write_numbers(array.T) == b"[[0.0, 3.0], [1.0, 4.0], [2.0, 5.0]]"
    assert write_numbers(array[:, ::2]) == b"[[0.0, 2.0], [3.0, 5.0]]"
    assert write_numbers(array.astype(">f4")) == b"[[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_what_json_does_not_have_is_written_as_before(value):
    array = np.array([1, value], np.float32)
    assert write_numbers(array).decode() == json.dumps([1.0, value])


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize(
    "text, value",
    [
        (b'[1, 0.1, -0.0, 1e400, "x"]', None),
        (b"18446744073709551615", 2**64 - 1),
        (b"[-9223372036854775808, 1%s]" % (b"0" * 300), [-(2**63), 1e300]),
        (b'{"a": 1, "b": 2, "a": 3}', {"a": 3, "b": 2}),
        (b'"\\ud800"', "\ud800"),
        (b'"\\ud83d\\ude00 \xf0\x9f\x98\x80"', "\U0001f600 \U0001f600"),
        (b"[NaN]", None),
        (b" \t\r\n[-0]  ", [0]),
        (b"1e-400", 0.0),
    ],
)
def test_values(exact, text, value):
    if text.startswith(b"[NaN"):
        assert str(loads(text, exact)) == "[nan]"
    elif value is None:
        with pytest.raises(CodecError, match="the number 1e400 is too large for any dtype"):
            loads(text, exact)
    else:
        got = loads(text, exact)
        assert repr(got) == repr(value)


@needs_orjson
def test_the_only_kind_of_value_that_differs():
    text = b"[99999999999999999999, -9223372036854775809]"
    assert loads(text, exact=True) == [99999999999999999999, -(2**63) - 1]
    assert repr(loads(text, exact=False)) == "[1e+20, -9.223372036854776e+18]"


def test_where_a_fault_is_counts_characters_and_lines():
    text = b'["\xc3\xa9\xf0\x9f\x98\x80",\n\n "\xc3\xa9" 1]'
    with pytest.raises(NotJson) as caught:
        loads(text, exact=False)
    with pytest.raises(json.JSONDecodeError) as expected:
        json.loads(text.decode())
    place = f"line {expected.value.lineno} column {expected.value.colno}"
    sentence = f"the body is not JSON: {place}: Expecting ',' delimiter"
    assert str(refusal(np.frombuffer(text, np.uint8), caught.value)) == sentence


def test_where_the_text_begins():
    assert [
        begin_of(each) for each in (b"", b"[", b"\xef\xbb\xbf[", memoryview(b"\xef\xbb\xbf"))
    ] == [
        0,
        0,
        3,
        3,
    ]


@pytest.mark.parametrize("end", [b"", b"\n", b"1", b"\xc3\xa9", b"\xff"])
def test_a_string_without_its_end_ends_no_process(end):
    # orjson 3.6.1 does so where its count of characters ends within one.
    for length in range(64):
        text = b'"' + b"x" * length + "é".encode() + end
        with pytest.raises(NotJson):
            loads(text, exact=False)
