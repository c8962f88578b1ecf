"""The limits of a JSON body hold before it is parsed, whatever its strings contain."""

import json

import numpy as np
import pytest
from fixtures.repeated import times
from hypothesis import given, settings
from hypothesis import strategies as st

from eas_processor.codecs.eas_json import limits as json_limits
from eas_processor.codecs.eas_json.limits import MAX_DEPTH, check_depth, check_memory
from eas_processor.codecs.eas_json.marks import Marks
from eas_processor.codecs.errors import CodecError

pytestmark = pytest.mark.medium

TOO_DEEP = "the JSON request is nested too deeply: more than 64 levels"


def array(text):
    return np.frombuffer(text, np.uint8)


def refused(check, text):
    with pytest.raises(CodecError) as caught:
        check(text)
    assert caught.value.code == "INVALID_ARGUMENT"
    return str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        b"[" * 65 + b"]" * 65,
        b"[" * 1000000,
        b'{"a":' * 65,
        b'["\\"", ' + b"[" * 64,
        b'["\\\\", ' + b"[" * 64,
        b'["\\\\\\"]", ' + b"[" * 64,
        b'["' + b"[]" * 100 + b'", ' + b"[" * 64,
    ],
)
def test_too_deep(text):
    assert refused(check_depth, text) == TOO_DEEP


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[" * 64 + b"]" * 64,
        b"[" + b"[]," * 1000 + b"[]]",
        b'["' + b"[" * 1000 + b'"]',
        b'["\\"' + b"[" * 1000 + b'"]',
        b'["\\\\\\"' + b"[" * 1000 + b'"]',
    ],
)
def test_not_too_deep(text):
    check_depth(text)


def depth_of(value):
    if isinstance(value, dict):
        return 1 + max(map(depth_of, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(depth_of, value), default=0)
    return 0


def count_of(value):
    """Return the numbers of numbers, lists, objects, and strings including names."""
    if isinstance(value, dict):
        return 1 + sum(1 + count_of(each) for each in value.values())
    if isinstance(value, list):
        return 1 + sum(map(count_of, value))
    return 1


TEXTS = st.text(max_size=8) | st.sampled_from(['"', "\\", '\\"', "[[", "}", ",,", "\\\\"])
VALUES = st.recursive(
    st.none() | TEXTS,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)


@given(VALUES, st.booleans(), st.integers(1, 40))
@settings(max_examples=times(100), deadline=None)
def test_marks_are_those_outside_strings(value, ascii_only, size):
    text = json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "replace")
    depths = Marks(array(text)).depths
    assert max(depths.tolist(), default=0) == depth_of(value)
    # And the same in pieces.
    depth, deepest, inside, escaped = 0, 0, False, False
    for start in range(0, len(text), size):
        marks = Marks(array(text[start : start + size]), inside, escaped)
        inside, escaped = marks.inside, marks.escaped
        deepest = max([deepest] + (marks.depths + depth).tolist())
        depth += int(marks.depths[-1]) if marks.depths.size else 0
    assert (depth, deepest, inside) == (0, depth_of(value), False)


@given(VALUES, st.booleans(), st.integers(1, 40))
@settings(max_examples=times(100), deadline=None)
def test_the_weight_is_never_too_small_and_the_quick_one_never_smaller(value, ascii_only, size):
    text = array(json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "replace"))
    default, json_limits._PIECE = json_limits._PIECE, size
    try:
        exact, quick = json_limits._weigh(text), json_limits._weigh_all(text)
    finally:
        json_limits._PIECE = default
    lightest = min(json_limits._WEIGHTS.values())
    assert lightest * (count_of(value) - 1) <= exact <= quick
    assert quick <= json_limits._HEAVIEST * (text.size + 1)


ROW = b"[" + b",".join([b"[0.5,0.5,0.5]"] * 224) + b"]"
IMAGE = b"[" + b",".join([ROW] * 224) + b"]"
ALLOWED = {
    "32 images": b'{"instances":[' + b",".join([IMAGE] * 32) + b"]}",
    "brackets in a string": b'["' + b"[]," * 8000000 + b'"]',
    "a file as base64": b'{"b64": "' + b"AAAA" * 16000000 + b'"}',
}


@pytest.mark.parametrize("name", list(ALLOWED))
def test_what_a_large_request_has_is_let_through(name):
    check_memory(array(ALLOWED[name]))


@pytest.mark.parametrize(
    "text",
    [
        b"[" + b"[]," * 22000000 + b"[]]",
        b"[" + b"{}," * 3000000 + b"{}]",
        b"[" + b"0," * 20000000 + b"0]",
        b"[" + b'"a",' * 5000000 + b"0]",
        b'["' + b"\\n" * 10000000 + b'"]',
        b'["' + b"a" * 60000000 + "\U0001f600".encode("utf-8") + b'"]',
        b'["' + b"a" * 60000000 + b'\\ud83d\\ude00"]',
    ],
    ids=["lists", "objects", "numbers", "strings", "escapes", "wide", "escaped wide"],
)
def test_what_would_take_more_memory_than_allowed(text):
    sentence = refused(check_memory, array(text))
    assert sentence.startswith("the values of the JSON request may take ")
    assert sentence.endswith(
        " MB of memory (limit 512 MB): send fewer, or a PredictRequest as application/octet-stream"
    )


def test_a_tensor_of_every_rank_has_room_within_the_depth():
    rank = 32
    check_depth(b'{"instances":[{"x":' + b"[" * (rank - 1) + b'{"b64":""}')
    assert rank + 3 <= MAX_DEPTH
