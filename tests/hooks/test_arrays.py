"""A function of arrays serves as the hooks of a processor."""

import json
from types import ModuleType

import numpy as np
import pytest

import eas_wire as wire
from eas_processor.hooks import BadRequest, arrays
from eas_processor.link.codes import INVALID_ARGUMENT, MODEL_FAULT, OK
from eas_processor.link.frames import (
    ARRAY_PROTO,
    EAS_JSON,
    TFS_CLASSIFY_JSON,
    TFS_REGRESS_JSON,
)
from eas_processor.worker.hooks import Processor

INPUTS = {"x": ("float32", [-1, 2])}
OUTPUTS = {"sum": ("float32", [-1]), "label": ("bytes", [-1])}


def processor(function, inputs=INPUTS, outputs=OUTPUTS, by_row=False):
    """Return the processor of a module whose `process` is this function."""
    hooks = ModuleType("app")
    hooks.initialize = lambda model_entry, model_config: 10
    hooks.process = arrays(inputs, outputs, by_row)(function)
    return Processor(hooks, "model", "")


def sums(model, x):
    return {"sum": x.sum(1) + model, "label": ["row %d" % each for each in range(len(x))]}


def request(rows, output_filter=(), **more):
    inputs = {"x": wire.Tensor(wire.DT_FLOAT, np.array(rows, np.float32))}
    inputs.update(more)
    return wire.encode_request(wire.Request("", inputs, list(output_filter)))


def values(answer):
    code, body = answer
    assert code == OK, body
    found = wire.decode_response(body)
    return {name: tensor.array.tolist() for name, tensor in found.items()}


def test_a_predict_request_is_answered_with_the_arrays_that_it_returns():
    answer = processor(sums).process(request([[1, 2], [3, 4]]))
    assert values(answer) == {"sum": [13, 17], "label": [b"row 0", b"row 1"]}


def test_json_is_answered_in_json():
    code, body = processor(sums).process(b'{"instances": [[1, 2]]}', EAS_JSON)
    assert code == OK
    assert json.loads(body.decode()) == {"predictions": [{"sum": 13.0, "label": "row 0"}]}


@pytest.mark.parametrize("codec", [TFS_CLASSIFY_JSON, TFS_REGRESS_JSON])
def test_examples_are_refused(codec):
    code, body = processor(sums).process(b'{"examples": [{"x": 1.0}]}', codec)
    assert code == INVALID_ARGUMENT and body.startswith(b"this processor takes arrays, ")


def test_the_output_filter_chooses():
    assert values(processor(sums).process(request([[1, 2]], ["sum"]))) == {"sum": [13]}


def test_the_only_output_needs_no_name():
    only = processor(lambda model, x: x.sum(1), outputs={"sum": ("float64", [-1])})
    assert values(only.process(request([[1, 2]]))) == {"sum": [3]}


def test_an_empty_request_gets_the_declaration():
    code, body = processor(sums).describe()
    assert code == OK
    assert json.loads(body.decode()) == {
        "signature_name": "serving_default",
        "inputs": [{"name": "x", "shape": [-1, 2], "type": "DT_FLOAT"}],
        "outputs": [
            {"name": "sum", "shape": [-1], "type": "DT_FLOAT"},
            {"name": "label", "shape": [-1], "type": "DT_STRING"},
        ],
    }


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (request([1, 2]), "input 'x': expected DT_FLOAT [-1, 2], got DT_FLOAT [2]"),
        (request([[1, 2]], ["no"]), "unknown output 'no': signature 'serving_default' returns "),
        (
            request([[1, 2]], y=wire.Tensor(wire.DT_FLOAT, np.zeros(1, np.float32))),
            "unexpected input 'y': signature 'serving_default' takes 'x' DT_FLOAT [-1, 2]",
        ),
        (
            wire.encode_request(wire.Request("other", {}, [])),
            "unknown signature 'other': expected 'serving_default'",
        ),
        (wire.encode_request(wire.Request("", {}, [])), "missing input 'x': signature "),
        (b"no protobuf", ""),
    ],
)
def test_a_request_that_does_not_fit_is_the_clients_fault(body, said):
    code, text = processor(sums).process(body)
    assert (code, text.decode()[: len(said)]) == (INVALID_ARGUMENT, said)


def test_the_function_may_refuse_a_request():
    def refuse(model, x):
        raise BadRequest("no cat in it")

    assert processor(refuse).process(request([[1, 2]])) == (INVALID_ARGUMENT, b"no cat in it")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"sum": [1.0]}, "the processor returned no output 'label', expected DT_STRING [-1]"),
        ({"sum": ["a"], "label": [""]}, "output 'sum': expected DT_FLOAT [-1]: "),
        ({"sum": [[1.0]], "label": [""]}, "output 'sum': expected DT_FLOAT [-1], the processor"),
        ({"sum": [1.0], "label": [1]}, "output 'label': expected DT_STRING [-1]: an array"),
        ([1.0], "the processor returned list, expected a dict of its 2 outputs"),
    ],
)
def test_an_answer_that_is_not_what_is_declared_is_the_processors_fault(given, said):
    code, text = processor(lambda model, x: given).process(request([[1, 2]]))
    assert (code, text.decode()[: len(said)]) == (MODEL_FAULT, said)


def test_requests_run_together_where_it_says_that_rows_are_independent():
    runs = []

    def function(model, x):
        runs.append(len(x))
        return sums(model, x)

    made = processor(function, by_row=True)
    bodies = [request([[1, 2]]), b'{"instances": [[3, 4], [5, 6]]}', request([1, 2])]
    answers = made.batch_process(bodies, [ARRAY_PROTO, EAS_JSON, ARRAY_PROTO])
    assert runs == [3]
    assert values(answers[0]) == {"sum": [13], "label": [b"row 0"]}
    assert json.loads(answers[1][1].decode())["predictions"][1] == {"sum": 21.0, "label": "row 2"}
    assert answers[2][0] == INVALID_ARGUMENT


def test_a_run_that_fails_is_tried_for_each_request_alone():
    def function(model, x):
        if (x == 13).any():
            raise BadRequest("13 is refused")
        return sums(model, x)

    made = processor(function, by_row=True)
    answers = made.batch_process([request([[1, 2]]), request([[13, 0]])], [ARRAY_PROTO] * 2)
    assert values(answers[0])["sum"] == [13]
    assert answers[1] == (INVALID_ARGUMENT, b"13 is refused")


def test_without_that_word_each_request_runs_alone():
    assert not processor(sums).batches


@pytest.mark.parametrize(
    "declared", [{"x": "float32"}, {"x": ("nonsense", [1])}, {"x": (object, 1, 2)}]
)
def test_a_wrong_declaration_is_refused_at_once(declared):
    with pytest.raises(TypeError, match=r"x|nonsense"):
        arrays(declared, OUTPUTS)
