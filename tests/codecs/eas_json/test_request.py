import json

import pytest

import eas_wire as wire
from eas_processor.codecs.eas_json.request import Body, JsonRequest
from eas_processor.codecs.errors import CodecError

B64 = {"b64": "AAEC"}
EXPECTED = 'expected {"inputs": {name: values}} or {"instances": [row, ...]}'
TAKES_ONE = "it takes x"
TAKES_TWO = "it takes a, b"
NO_SIGNATURE = "it has no signature"
ONE = [("x", wire.DT_FLOAT, (-1, 2))]
TWO = [("a", wire.DT_FLOAT, (-1,)), ("b", wire.DT_STRING, (-1,))]
NONE = []


@pytest.fixture
def columns(model_of):
    def call(body, given=ONE):
        text = body if isinstance(body, bytes) else json.dumps(body).encode()
        return JsonRequest(Body(text)).columns(model_of(*given))

    return call


@pytest.fixture
def refused(columns):
    def call(body, given=ONE):
        with pytest.raises(CodecError) as caught:
            columns(body, given)
        assert caught.value.code == "INVALID_ARGUMENT"
        return str(caught.value)

    return call


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_what_a_request_says(model_of, kind):
    request = JsonRequest(
        Body(
            kind(b'{"signature_name": "one", "inputs": [[1, 2]], "output_filter": ["y"], "id": 7}')
        )
    )
    assert (request.signature_name, request.output_filter) == ("one", ["y"])
    assert not request.by_rows
    assert request.columns(model_of(*ONE)) == {"x": [[1, 2]]}


def test_what_a_request_leaves_out():
    request = JsonRequest(Body(b'{"instances": [[1, 2]]}'))
    assert (request.signature_name, request.output_filter, request.by_rows) == ("", [], True)


def test_a_byte_order_mark_is_no_matter(columns):
    assert columns(b'\xef\xbb\xbf{"inputs": 1}') == {"x": 1}


@pytest.mark.parametrize(
    "given, document, expected",
    [
        (ONE, {"inputs": {"x": [[1, 2]]}}, {"x": [[1, 2]]}),
        (ONE, {"inputs": [[1, 2]]}, {"x": [[1, 2]]}),
        (ONE, {"inputs": 3}, {"x": 3}),
        (ONE, {"inputs": None}, {"x": None}),
        (ONE, {"inputs": B64}, {"x": B64}),
        (ONE, {"inputs": {"b64": [1]}}, {"b64": [1]}),
        (ONE, {"inputs": {}}, {}),
        (TWO, {"inputs": {"a": [1], "b": "t"}}, {"a": [1], "b": "t"}),
        (NONE, {"inputs": {"x:0": [1]}}, {"x:0": [1]}),
        (ONE, {"instances": [[1, 2], [3, 4]]}, {"x": [[1, 2], [3, 4]]}),
        (ONE, {"instances": [1, 2]}, {"x": [1, 2]}),
        (ONE, {"instances": [B64, "text"]}, {"x": [B64, "text"]}),
        (ONE, {"instances": [{"x": [1, 2]}]}, {"x": [[1, 2]]}),
        (ONE, {"instances": [{}, {}]}, {}),
        (
            TWO,
            {"instances": [{"a": 1, "b": B64}, {"b": "t", "a": 2}]},
            {"a": [1, 2], "b": [B64, "t"]},
        ),
        (NONE, {"instances": [{"x:0": 1}]}, {"x:0": [1]}),
    ],
)
def test_columns(columns, given, document, expected):
    assert columns(document, given) == expected


@pytest.mark.parametrize(
    "body, sentence",
    [
        (b"", "the body is not JSON: line 1 column 1: Expecting value"),
        (b'{"inputs":\n [1, }', "the body is not JSON: line 2 column 6: Expecting value"),
        (b"[1,\n ]", "the body is not JSON: line 2 column 2: Expecting value"),
        (
            b'{"inputs": 1, }',
            "the body is not JSON: line 1 column 15: Expecting property name enclosed in double "
            "quotes",
        ),
        (b'{"inputs": 1} x', "the body is not JSON: line 1 column 15: Extra data"),
        (b"\x0a\x04\xff", "the body is not JSON: byte 2 is not UTF-8"),
        (b"[" * 100000, "the JSON request is nested too deeply: more than 64 levels"),
        ([1], f"the JSON request is a list of 1: {EXPECTED}"),
        (None, f"the JSON request is null: {EXPECTED}"),
        ({"signature_name": 1}, "'signature_name': expected text, got 1"),
        ({"signature_name": None}, "'signature_name': expected text, got null"),
        ({"output_filter": "y"}, "'output_filter': expected a list of names, got \"y\""),
        ({"output_filter": [1]}, "'output_filter': expected a list of names, got a list of 1"),
        (b'{"inputs": 1e400}', "the number 1e400 is too large for any dtype"),
        (
            b'{"inputs": %s}' % (b"9" * 5000),
            f"the number {'9' * 77}... is too large for any dtype",
        ),
    ],
)
def test_a_body_that_is_no_request(refused, body, sentence):
    assert refused(body) == sentence


@pytest.mark.parametrize(
    "given, document, sentence",
    [
        (
            ONE,
            {},
            f"the JSON request has neither 'inputs' nor 'instances': {EXPECTED}; {TAKES_ONE}",
        ),
        (
            NONE,
            {"input": 1},
            f"the JSON request has neither 'inputs' nor 'instances': {EXPECTED}; {NO_SIGNATURE}",
        ),
        (
            ONE,
            {"inputs": 1, "instances": [1]},
            "the JSON request has both 'inputs' and 'instances': send one of them",
        ),
        (
            TWO,
            {"inputs": [1]},
            f"'inputs': values without a name need a signature with one input; {TAKES_TWO}",
        ),
        (
            TWO,
            {"instances": [B64]},
            f"'instances': values without a name need a signature with one input; {TAKES_TWO}",
        ),
        (
            NONE,
            {"inputs": [1]},
            f"'inputs': values without a name need a signature with one input; {NO_SIGNATURE}",
        ),
        (
            ONE,
            {"instances": []},
            "'instances': expected a list of one row or more, got a list of 0",
        ),
        (ONE, {"instances": {}}, "'instances': expected a list of one row or more, got an object"),
        (
            TWO,
            {"instances": [{"a": 1, "b": "t"}, {"a": 1}]},
            "'instances' at [1]: expected an object with the inputs of the first row, "
            "'a', 'b', got 'a'",
        ),
        (
            ONE,
            {"instances": [{"x": 1}, {"x": 1}, 5]},
            "'instances' at [2]: expected an object with the inputs of the first row, 'x', got 5",
        ),
    ],
)
def test_a_form_that_does_not_fit(refused, given, document, sentence):
    assert refused(document, given) == sentence


def test_numbers_of_any_length_that_fit_a_dtype_are_read(columns):
    body = b'{"inputs": [-9223372036854775808, 1%s, 0.5, NaN, -Infinity]}' % (b"0" * 300)
    values = columns(body)["x"]
    assert values[:3] == [-(2**63), 1e300, 0.5]
    assert [str(value) for value in values[3:]] == ["nan", "-inf"]
