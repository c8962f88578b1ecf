"""The JSON codec has the same results with each of its parsers."""

import json
import sys

import numpy as np
import pytest
from fixtures.repeated import times
from hypothesis import given, settings
from hypothesis import strategies as st

import eas_wire as wire
from eas_processor.codecs.codec import Codec
from eas_processor.codecs.eas_json import inputs
from eas_processor.codecs.eas_json.codec import EasJson
from eas_processor.codecs.eas_json.pieces import PIECE, PieceReader
from eas_processor.codecs.errors import CodecError

CODEC = EasJson()
X = ("x", wire.DT_FLOAT)


def read(body, model):
    request, by_rows = CODEC.decode(body, model)
    assert list(request.inputs) == ["x"]
    return request.inputs["x"].array.tolist(), by_rows


def test_what_decode_gives(model_of):
    body = b'{"signature_name": "s", "instances": [[1, 2]], "output_filter": ["y"]}'
    request, by_rows = CODEC.decode(body, model_of(X))
    assert (request.signature_name, request.output_filter, by_rows) == ("s", ["y"], True)
    assert request.inputs["x"].array.tolist() == [[1, 2]]
    assert read(b'{"inputs": {"x": [3]}}', model_of(X)) == ([3], False)


@pytest.mark.parametrize("padding", ["", " " * PIECE], ids=["small", "large"])
@pytest.mark.parametrize("value", ["[true, 1]", "[1, false]", "[0.5, null]", '[1, "2"]', "[1e39]"])
@pytest.mark.parametrize("dtype", [wire.DT_FLOAT, wire.DT_DOUBLE, wire.DT_INT32, wire.DT_INT8])
def test_what_is_no_number_is_never_taken_for_one(model_of, dtype, value, padding):
    if value == "[1e39]" and dtype == wire.DT_DOUBLE:
        pytest.skip("which holds it")
    body = ('{"inputs": {"x": %s}%s}' % (value, padding)).encode()
    with pytest.raises(CodecError, match=r"^input 'x' at "):
        CODEC.decode(body, model_of(("x", dtype)))


@pytest.mark.parametrize("place", range(PIECE - 12, PIECE + 4))
def test_a_word_across_two_pieces_is_seen(model_of, place):
    text = b'{"inputs": {"x": [1, ' + b" " * (place - 21)
    with pytest.raises(CodecError, match="expected a number for DT_FLOAT, got true"):
        CODEC.decode(text + b"true" + b" " * PIECE + b"]}}", model_of(X))


SCALARS = st.sampled_from([True, False, None, "1", 10**30, 1e39, float("nan"), [], {}]) | (
    st.integers(-(2**65), 2**65) | st.integers(-300, 300) | st.floats()
)


@pytest.mark.parametrize("dtype", ["FLOAT", "HALF", "BFLOAT16", "DOUBLE", "INT64", "UINT8", "BOOL"])
def test_the_quick_way_is_never_told_from_the_exact_one(model_of, monkeypatch, dtype):
    model = model_of(("x", wire.dtype_number("DT_" + dtype)))

    def outcome(body):
        try:
            request, _ = CODEC.decode(body, model)
        except CodecError as error:
            return str(error)
        return request.inputs["x"].array.shape, repr(request.inputs["x"].array.tolist())

    @settings(max_examples=times(80), deadline=None)
    @given(st.lists(st.lists(SCALARS, max_size=3), max_size=3) | st.lists(SCALARS, max_size=4))
    def check(value):
        body = json.dumps({"inputs": {"x": value}}).encode()
        quick = outcome(body)
        with monkeypatch.context() as patched:
            patched.setattr(inputs, "_TYPECODES", {})
            assert quick == outcome(body)

    check()


def test_what_the_model_refuses_is_passed_on_without_the_values(model_of):
    class Refusal(Exception):
        code = "NOT_FOUND"

    class Refusing(type(model_of())):
        def specs(self, *_):
            raise Refusal("no such input")

    with pytest.raises(Refusal, match=r"^no such input$") as caught:
        CODEC.decode(b'{"inputs": {"x": [1]}}', Refusing(X))
    frames, trace = [], caught.value.__traceback__
    while trace is not None:
        frames.append(trace.tb_frame.f_code.co_name)
        trace = trace.tb_next
    assert "specs" not in frames


@pytest.mark.parametrize(
    "role, document",
    [
        ("signature", {"signature_name": "\u00e9" * 2049, "inputs": {"x": 1}}),
        ("output_filter", {"output_filter": ["y", "\u00e9" * 2049], "inputs": {"x": 1}}),
        ("input", {"inputs": {"x": 1, "\u00e9" * 2049: 1}}),
        ("input", {"instances": [{"\u00e9" * 2049: 1}]}),
    ],
)
def test_a_long_name_is_refused_as_it_is_in_protobuf(model_of, role, document):
    with pytest.raises(CodecError) as refused:
        CODEC.decode(json.dumps(document).encode(), model_of(X))
    shown = "\u00e9" * 80
    assert str(refused.value) == (
        f"a name of 4098 bytes ({role}): expected 4096 bytes or fewer, got '{shown}...'"
    )
    shorter = json.dumps(document).replace("\\u00e9", "", 1).encode()
    with pytest.raises((CodecError, KeyError)) as passed:
        CODEC.decode(shorter, model_of())
    assert "bytes or fewer" not in str(passed.value)


@pytest.mark.parametrize("last", ["[0.5]", "[true]"], ids=["read", "refused"])
def test_nothing_else_holds_the_values_when_they_are_discarded(model_of, monkeypatch, last):
    held = []
    discard = PieceReader.discard

    def count(reader):
        lists = [part for part in reader.parts if isinstance(part, list) and part]
        held.extend([sys.getrefcount(part[0]) for part in lists])
        discard(reader)

    monkeypatch.setattr(PieceReader, "discard", count)
    body = '{"inputs": {"x": [' + "[0.5]," * 30000 + last + "]}}"
    try:
        CODEC.decode(body.encode(), model_of(X))
    except CodecError:
        assert last == "[true]"
    # The part, and the argument of the count itself.
    assert len(held) > 1 and set(held) == {2}


def test_a_fault_of_the_program_keeps_its_traceback(model_of):
    class Faulty(type(model_of())):
        def specs(self, *_):
            raise KeyError("x")

    with pytest.raises(KeyError) as caught:
        CODEC.decode(b'{"inputs": {"x": [1]}}', Faulty(X))
    assert caught.traceback[-1].name == "specs"


def test_an_answer_has_the_form_of_its_request():
    outputs = {"y": wire.Tensor(wire.DT_FLOAT, np.ones((2, 1), np.float32))}
    assert CODEC.encode(outputs, False) == b'{"outputs": [[1.0], [1.0]]}'
    assert CODEC.encode(outputs, True) == b'{"predictions": [[1.0], [1.0]]}'
    assert CODEC.encode_shares(outputs, 2, True) == [b'{"predictions": [[1.0]]}'] * 2


def test_a_codec_that_does_not_write_shares_writes_each_answer():
    class Sums(Codec):
        def encode(self, outputs, form):
            return form % outputs["y"].array.sum()

    outputs = {"y": wire.Tensor(wire.DT_INT32, np.arange(6))}
    assert Sums().encode_shares(outputs, 3, b"%d!") == [b"1!", b"5!", b"9!"]
    assert Sums().stack([b"a", b"b", b"c"], range(1, 3)) == ([], [1, 2])


NOT_FINITE = {
    "y": wire.Tensor(wire.DT_FLOAT, np.array([[1.5, np.nan], [np.inf, -np.inf]], np.float32)),
    "z": wire.Tensor(wire.DT_STRING, np.array([b"NaN", b"-Infinity"], object)),
}


def not_finite(model_of, nan, body, names=("y", "z")):
    model = model_of(X)
    model.json_nan = nan
    _, form = CODEC.decode(body, model)
    outputs = {name: NOT_FINITE[name] for name in names}
    whole = CODEC.encode(outputs, form)
    shares = CODEC.encode_shares(outputs, 2, form)
    return whole.decode(), [share.decode() for share in shares]


@pytest.mark.parametrize(
    "nan, words",
    [
        ("", ["NaN", "Infinity", "-Infinity"]),
        ("null", ["null", "null", "null"]),
        ("string", ['"NaN"', '"Infinity"', '"-Infinity"']),
    ],
)
def test_json_nan_chooses_what_stands_for_values_that_are_not_finite(model_of, nan, words):
    a, b, c = words
    whole, shares = not_finite(model_of, nan, b'{"inputs": [1]}')
    y, z = f"[[1.5, {a}], [{b}, {c}]]", '["NaN", "-Infinity"]'
    assert whole == '{"outputs": {"y": %s, "z": %s}}' % (y, z)
    assert shares[1] == '{"outputs": {"y": [[%s, %s]], "z": ["-Infinity"]}}' % (b, c)
    whole, shares = not_finite(model_of, nan, b'{"instances": [1]}', ["y"])
    assert whole == '{"predictions": %s}' % y
    assert shares == ['{"predictions": [[1.5, %s]]}' % a, '{"predictions": [[%s, %s]]}' % (b, c)]


def test_json_nan_can_be_an_error(model_of):
    with pytest.raises(CodecError, match=r"output 'y' has values that are not finite, which JSON"):
        not_finite(model_of, "error", b'{"inputs": [1]}')
    assert not_finite(model_of, "error", b'{"inputs": [1]}', ["z"])
