"""A text that is parsed in pieces has the same values or errors as in one parse."""

import json

import numpy as np
import pytest
from fixtures import need
from fixtures.repeated import times
from hypothesis import given, settings
from hypothesis import strategies as st

from eas_processor.codecs.eas_json import text as json_text
from eas_processor.codecs.eas_json.pieces import PieceReader
from eas_processor.codecs.eas_json.text import NotJson, loads, refusal
from eas_processor.codecs.errors import CodecError

pytestmark = pytest.mark.medium

KINDS = [pytest.param(True, id="standard library")]
if json_text.orjson is not None:
    KINDS.append(pytest.param(False, id="orjson"))

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**64), 2**64)
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(['"', "\\", '\\"', "[", "]{", ",", "\u00e9", "\U0001f600", "\n", "a" * 70])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=6)
        | st.dictionaries(st.text(max_size=4) | st.sampled_from(["[", '"', "}"]), inner, max_size=4)
    ),
    max_leaves=30,
)
# What a fault is made of.
SHARDS = ["[", "]", "{", "}", ",", ":", '"', "\\", " ", "\n", "0", "-", "x", "1 2", '"a":', "é"]


def outcome(call, text):
    """Return the value as text, with types and order of names; or the error message."""
    try:
        return show(call(text))
    except NotJson as error:
        return str(refusal(np.frombuffer(text, np.uint8), error))
    except CodecError as error:
        return str(error)


def show(value):
    if isinstance(value, dict):
        return "{%s}" % ", ".join(f"{key!r}: {show(each)}" for key, each in value.items())
    if isinstance(value, list):
        return "[%s]" % ", ".join(map(show, value))
    return repr(value)


def in_pieces(piece, exact=True):
    def read(text):
        return PieceReader(np.frombuffer(text, np.uint8), exact, piece).read()

    return read


def whole(text):
    return loads(text, exact=True)


def same(text):
    expected = outcome(whole, text)
    for piece in (1, 2, 3, 7, 16, 1000):
        assert outcome(in_pieces(piece), text) == expected, (piece, text)


@given(st.data())
@settings(max_examples=times(100), deadline=None)
def test_random_values(data):
    value = data.draw(VALUES)
    layout = data.draw(st.sampled_from([{}, {"indent": 2}, {"separators": (",", ":")}]))
    ascii_only = data.draw(st.booleans())
    text = json.dumps(value, ensure_ascii=ascii_only, **layout).encode("utf-8", "replace")
    same(text)


@given(st.data())
@settings(max_examples=times(150), deadline=None)
def test_random_faults(data):
    text = json.dumps(data.draw(VALUES), ensure_ascii=data.draw(st.booleans()))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text)))
        drop = data.draw(st.integers(0, 2))
        text = text[:at] + data.draw(st.sampled_from(["", *SHARDS])) + text[at + drop :]
    same(text.encode("utf-8", "replace"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "[",
        "{",
        "[1",
        "[1,",
        "[1,]",
        "[1, }",
        "[,1]",
        "[1,,2]",
        "[[1,2],]",
        "[[1,2] 3]",
        "[[1,2]}",
        "[1 [2]]",
        "[1, 2] x",
        "[1, 2]]",
        '{"a" [1, 2, 3, 4]}',
        '{"a": 1 [1, 2, 3, 4]}',
        '{"a": 1[1, 2, 3, 4]}',
        "{[1, 2, 3, 4]: 1}",
        '{"a": [1, 2, 3], }',
        '{"a": [1, 2, 3],, "b": 1}',
        '{, "a": 1}',
        '{"a", "b": 1}',
        '{"a": , "b": 1}',
        '{"a": [1, 2], "b": 1, "a": {"c": [3]}, "b": 2}',
        '{"a": {"b": [1, 2, 3]}, "a": {"c": 1}}',
        '[1, "abc',
        '[1, "abc\\"]',
        '[1, "\\\\", "\\\\\\"", 2]',
        '[1, \\"abc", 2]',
        '[1,\n [2,\n\n "\u00e9\U0001f600", nul]]',
        "[1, 2,\n\t 3]  \n x",
        "[01]",
        '["\x01"]',
        '["\\x"]',
        '["\\ud800", "\\ud83d\\ude00"]',
        "[NaN, -Infinity, 1E5, -0, -0.0, 1e-400]",
        "[[[[[[[[[[1, 2], 3], 4], 5]]]]]]]",
        '[{"b64": "AAAA"}, {"b64": "AAAA"}]',
        "nul",
        '"text"',
        "12",
    ],
)
def test_forms_and_faults(text):
    same(text.encode("utf-8"))


def test_a_byte_that_is_not_utf_8_is_what_is_wrong_wherever_it_is():
    for text in (b'["\xc3\xa9", 1, "\xff", 2]', b'[1 2, "\xff"]', b"[1, 2] \xc3"):
        where = next(i for i, byte in enumerate(text) if byte == 0xFF or text[i:] == b"\xc3")
        sentence = f"the body is not JSON: byte {where} is not UTF-8"
        assert outcome(in_pieces(3), text) == sentence == outcome(whole, text)


def test_a_number_that_is_too_large():
    sentence = "the number 1e999 is too large for any dtype"
    assert outcome(in_pieces(2), b"[1, 1e999]") == sentence


@pytest.mark.parametrize("exact", KINDS)
@pytest.mark.parametrize("piece", [1, 16, 64 * 1024])
def test_more_levels_than_there_may_be(exact, piece):
    deepest = b"[" * 64 + b"1" + b"]" * 64
    assert outcome(in_pieces(piece, exact), deepest) == outcome(whole, deepest)
    sentence = "the JSON request is nested too deeply: more than 64 levels"
    for text in (
        b"[" * 65 + b"]" * 65,
        b'{"a":' * 65 + b"1" + b"}" * 65,
        b'[{"a":' * 33 + b"1" + b"}]" * 33,
        b"[" * 1000000,
        b'{"a":[' * 200000,
        b'[1, "' + b"x" * 70000 + b'", ' + b"[" * 1000000,
    ):
        assert outcome(in_pieces(piece, exact), text) == sentence


def test_brackets_in_strings_have_no_depth():
    text = json.dumps(["[" * 1000, "\\", '"' + "{" * 500]).encode()
    same(text)


@need.unless(json_text.orjson, "needs orjson")
@given(st.data())
@settings(max_examples=times(100), deadline=None)
def test_orjson_gives_what_the_standard_library_gives(data):
    text = json.dumps(data.draw(VALUES), ensure_ascii=data.draw(st.booleans()))
    for _ in range(data.draw(st.integers(0, 2))):
        at = data.draw(st.integers(0, len(text)))
        text = text[:at] + data.draw(st.sampled_from(["", *SHARDS])) + text[at + 1 :]
    body = text.encode("utf-8", "replace")
    expected = outcome(lambda each: beyond_64_bits_are_floats(whole(each)), body)
    for read in (lambda each: loads(each, exact=False), in_pieces(7, exact=False)):
        assert outcome(lambda each, read=read: beyond_64_bits_are_floats(read(each)), body) == (
            expected
        )


def beyond_64_bits_are_floats(value):
    if isinstance(value, dict):
        return {key: beyond_64_bits_are_floats(each) for key, each in value.items()}
    if isinstance(value, list):
        return [beyond_64_bits_are_floats(each) for each in value]
    if type(value) is int and not -(2**63) <= value < 2**64:
        return float(value)
    return value
