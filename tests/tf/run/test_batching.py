import json

import numpy as np
import pytest
from fixtures import need

need.module("tensorflow")

import eas_wire as wire
from eas_processor.codecs import registry
from eas_processor.codecs.array_proto import ArrayProto
from eas_processor.codecs.registry import register
from eas_processor.tf import hooks
from eas_processor.tf.errors import ModelRefusal
from eas_processor.tf.runtime import tf, v1

EAS_JSON = 1


def rows(*values):
    return np.array([[value, value] for value in values], np.float32)


def scaled():
    x = v1.placeholder(tf.float32, [None, None], name="x")
    factor = v1.placeholder(tf.float32, [], name="factor")
    y = x * factor
    return {"serving_default": ({"x": x, "factor": factor}, {"y": y, "first": y[:, 0]})}


def answers_of(model, requests):
    answers = hooks.batch_process(model, requests)
    return [
        answer if isinstance(answer, Exception) else wire.decode_response(answer)
        for answer in answers
    ]


def test_requests_are_joined_and_split_in_order(load, request_of, runs):
    model = load(scaled)
    two = np.array(2, np.float32)
    sent = [rows(1), rows(2, 3), rows(), rows(4)]
    sent[2] = np.zeros((0, 2), np.float32)
    answers = answers_of(model, [request_of({"x": x, "factor": two}) for x in sent])
    assert runs == [4]
    for x, answer in zip(sent, answers):
        assert answer["y"].array.tolist() == (x * 2).tolist()
        assert answer["first"].array.tolist() == (x[:, 0] * 2).tolist()


def test_the_order_of_inputs_in_the_request_does_not_matter(load, request_of, runs):
    two = np.array(2, np.float32)
    requests = [
        request_of({"x": rows(1), "factor": two}),
        request_of({"factor": two, "x": rows(2)}),
    ]
    answers = answers_of(load(scaled), requests)
    assert runs == [2]
    assert [answer["y"].array.tolist() for answer in answers] == [[[2, 2]], [[4, 4]]]


@pytest.mark.parametrize(
    "inputs, output_filter, name",
    [
        ({"x": rows(1), "factor": np.array(3, np.float32)}, [], "y"),
        ({"x": np.ones((1, 3), np.float32), "factor": np.array(2, np.float32)}, [], "y"),
        ({"x": rows(1), "factor": np.array(2, np.float32)}, ["y"], "y"),
    ],
)
def test_requests_that_differ_run_apart(load, request_of, runs, inputs, output_filter, name):
    usual = {"x": rows(5), "factor": np.array(2, np.float32)}
    requests = [request_of(usual), request_of(inputs, output_filter), request_of(usual)]
    answers = answers_of(load(scaled), requests)
    assert runs == [2, 1]
    assert answers[1][name].array.tolist() == (inputs["x"] * inputs["factor"]).tolist()
    assert answers[2]["y"].array.tolist() == [[10, 10]]


def test_equal_output_filters_in_another_order_do_not_mix(load, request_of):
    inputs = {"x": rows(5), "factor": np.array(2, np.float32)}
    requests = [request_of(inputs, ["y", "first"]), request_of(inputs, ["first", "y"])]
    for answer in answers_of(load(scaled), requests):
        assert answer["y"].array.tolist() == [[10, 10]]
        assert answer["first"].array.tolist() == [10]


def test_an_alias_and_its_tensor_name_keep_their_names(load, request_of, runs):
    inputs = {"x": rows(1), "factor": np.array(2, np.float32)}
    model = load(scaled)
    raw = model.default_signature.outputs["y"].tensor_name
    answers = answers_of(model, [request_of(inputs, ["y"]), request_of(inputs, [raw])])
    assert [list(answer) for answer in answers] == [["y"], [raw]]


def test_a_bad_request_does_not_spoil_its_mates(load, request_of, runs):
    two = np.array(2, np.float32)
    good = request_of({"x": rows(1), "factor": two})
    bad = [b"\xff\xff", request_of({"x": rows(1)}), request_of({"x": two, "factor": two})]
    answers = answers_of(load(scaled), [good] + bad + [good])
    assert runs == [2]
    assert isinstance(answers[1], wire.WireError)
    assert "missing input 'factor'" in str(answers[2])
    assert "input 'x': expected DT_FLOAT [-1, -1], got DT_FLOAT []" in str(answers[3])
    assert [answer.code for answer in answers[1:4]] == ["INVALID_ARGUMENT"] * 3
    assert answers[0]["y"].array.tolist() == answers[4]["y"].array.tolist() == [[2, 2]]


def test_the_members_of_a_run_that_fails_run_alone(load, request_of, runs):
    def gather():
        at = v1.placeholder(tf.int32, [None], name="at")
        return {"serving_default": ({"at": at}, {"got": tf.gather([10, 20], at)})}

    requests = [request_of({"at": np.array([index], np.int32)}) for index in (0, 7, 1)]
    answers = answers_of(load(gather), requests)
    assert runs == [3, 1, 1, 1]
    assert answers[0]["got"].array.tolist() == [10]
    assert isinstance(answers[1], ModelRefusal)
    assert answers[2]["got"].array.tolist() == [20]


def test_strings_are_joined(load, request_of, runs):
    def join():
        words = v1.placeholder(tf.string, [None], name="words")
        end = v1.placeholder(tf.string, [], name="end")
        return {"serving_default": ({"words": words, "end": end}, {"y": words + end})}

    def ask(*words, end=b"\0"):
        values = np.array(words + (b"",), dtype=object)[:-1]
        return request_of({"words": values, "end": np.array(end, dtype=object)})

    answers = answers_of(load(join), [ask(b"a\0"), ask(b"b", b"c"), ask(b"d", end=b"!")])
    assert runs == [3, 1]
    expected = [[b"a\0\0"], [b"b\0", b"c\0"], [b"d!"]]
    assert [answer["y"].array.tolist() for answer in answers] == expected


@pytest.mark.parametrize("declared", [None, [None]])
def test_an_output_that_does_not_keep_rows(load, request_of, runs, declared):
    def summed():
        x = v1.placeholder(tf.float32, [None], name="x")
        # Declared as rows, or not at all; there are as many with each request.
        total = v1.placeholder_with_default(tf.reshape(tf.reduce_sum(x), [1]), declared)
        return {"serving_default": ({"x": x}, {"total": tf.identity(total)})}

    model = load(summed)
    requests = [request_of({"x": np.array(x, np.float32)}) for x in ([1, 2], [3, 4], [5])]
    for _ in range(2):
        answers = answers_of(model, requests)
        assert [answer["total"].array.tolist() for answer in answers] == [[3], [7], [5]]
        assert runs == [2, 2, 1]
        del runs[:]


@pytest.mark.parametrize("rows_in, total", [([2], [None]), ([None], [])])
def test_what_the_signature_forbids_to_join_runs_alone(load, request_of, runs, rows_in, total):
    def declared():
        x = v1.placeholder(tf.float32, rows_in, name="x")
        y = tf.reduce_sum(x) if total == [] else tf.identity(x)
        return {"serving_default": ({"x": x}, {"y": y})}

    body = request_of({"x": np.ones(2, np.float32)})
    answers_of(load(declared), [body, body])
    assert runs == [2, 2]


def test_inputs_with_different_rows_run_alone(load, request_of, runs):
    def added():
        a = v1.placeholder(tf.float32, [None, 2], name="a")
        b = v1.placeholder(tf.float32, [None, 2], name="b")
        return {"serving_default": ({"a": a, "b": b}, {"y": a + b})}

    uneven = request_of({"a": rows(1, 2), "b": rows(10)})
    even = request_of({"a": rows(1), "b": rows(10)})
    answers = answers_of(load(added), [uneven, even, uneven, even])
    assert sorted(runs) == [2, 2, 2]
    assert answers[0]["y"].array.tolist() == [[11, 11], [12, 12]]
    assert answers[3]["y"].array.tolist() == [[11, 11]]


def test_a_run_is_bounded_in_rows(load, request_of, runs):
    two = np.array(2, np.float32)
    sizes = [2, 1, 2, 5, 1, 1]
    requests = [
        request_of({"x": np.full((size, 2), size, np.float32), "factor": two}) for size in sizes
    ]
    answers = answers_of(load(scaled, '{"max_batch_rows": 3}'), requests)
    assert runs == [3, 2, 5, 2]
    assert [answer["first"].array.tolist() for answer in answers] == [
        [size * 2.0] * size for size in sizes
    ]


def test_no_requests(load):
    assert hooks.batch_process(load(scaled), []) == []


@pytest.mark.parametrize("count, expected", [(1, 2), (2, 2), (3, 8), (9, 9)])
def test_runs_are_padded_to_an_allowed_size(load, request_of, runs, count, expected):
    two = np.array(2, np.float32)
    requests = [request_of({"x": rows(index + 1), "factor": two}) for index in range(count)]
    model = load(scaled, '{"allowed_batch_sizes": [8, 2]}')
    answers = answers_of(model, requests)
    assert runs == [expected]
    assert [answer["y"].array.tolist() for answer in answers] == [
        [[2.0 * (index + 1)] * 2] for index in range(count)
    ]


def test_requests_without_rows_are_not_padded(load, request_of, runs):
    model = load(scaled, '{"allowed_batch_sizes": [4]}')
    two = np.array(2, np.float32)
    empty, full = (
        request_of({"x": x, "factor": two}) for x in (np.zeros((0, 2), np.float32), rows(1))
    )
    assert [answer["y"].array.tolist() for answer in answers_of(model, [empty] * 2)] == [[], []]
    answers_of(model, [full] * 2 + [empty])
    assert runs == [0, 4]


def test_a_lone_request_is_padded_too(load, request_of, runs):
    model = load(scaled, '{"allowed_batch_sizes": [4]}')
    two = np.array(2, np.float32)
    hooks.process(model, request_of({"x": rows(1), "factor": two}))
    assert runs == [4]
    with pytest.raises(wire.WireError):
        hooks.process(model, b"\xff\xff")


def paired():
    a = v1.placeholder(tf.float32, [None, 2], name="a")
    b = v1.placeholder(tf.float64, [None], name="b")
    outputs = {
        "sum": tf.cast(a[:, 0], tf.float64) + b,
        "rounded": tf.cast(a, tf.int64),
        "large": a > 2,
        "half": tf.cast(a, tf.float16),
    }
    return {"serving_default": ({"a": a, "b": b}, outputs)}


@pytest.fixture
def stacks(monkeypatch):
    """The number of requests that were decoded in stacks, for each batch."""
    counted = []
    stack = ArrayProto.stack

    def count(self, bodies, places):
        stacks, others = stack(self, bodies, places)
        counted.append(sum(len(stack.indexes) for stack in stacks))
        return stacks, others

    monkeypatch.setattr(ArrayProto, "stack", count)
    return counted


def pair(*values):
    return {"a": rows(*values), "b": np.array(values, np.float64) / 4}


@pytest.mark.parametrize("output_filter", [[], ["large"], ["half", "sum"]])
@pytest.mark.parametrize("config", ["{}", '{"max_batch_rows": 3}', '{"allowed_batch_sizes": [8]}'])
def test_requests_alike_are_answered_as_if_each_came_alone(
    load, request_of, stacks, config, output_filter
):
    model = load(paired, config)
    sent = [pair(1), pair(2.5), pair(3, 4), pair(5), pair(6, 7), pair(8)]
    requests = [request_of(inputs, output_filter) for inputs in sent]
    alone = [hooks.process(model, request) for request in requests]
    requests.insert(2, b"\xff")
    answers = hooks.batch_process(model, requests)
    assert isinstance(answers.pop(2), wire.WireError)
    assert answers == alone
    assert stacks[-1] == 6


def test_requests_alike_that_are_wrong_are_each_refused(load, request_of, stacks):
    model = load(paired)
    wrong = [request_of({"a": rows(value)}) for value in (1, 2)]
    for expected in (0, 2):
        answers = hooks.batch_process(model, wrong)
        assert ["missing input 'b'" in str(answer) for answer in answers] == [True, True]
        assert answers[0] is not answers[1]
        assert stacks[-1] == expected


def test_requests_alike_run_alone_when_their_run_fails(load, request_of, runs, stacks):
    def inverted():
        x = v1.placeholder(tf.float32, [None, 2], name="x")
        checked = v1.check_numerics(1 / x, "a zero")
        return {"serving_default": ({"x": x}, {"y": checked})}

    model = load(inverted)
    requests = [request_of({"x": rows(value)}) for value in (1, 0, 2)]
    hooks.batch_process(model, requests)
    del runs[:]
    answers = answers_of(model, requests)
    assert (runs, stacks[-1]) == ([3, 1, 1, 1], 3)
    assert isinstance(answers[1], ModelRefusal)
    assert answers[2]["y"].array.tolist() == [[0.5, 0.5]]


def test_requests_alike_with_a_scalar_are_read_one_by_one(load, request_of, runs, stacks):
    model = load(scaled)
    requests = [request_of({"x": rows(1), "factor": np.array(f, np.float32)}) for f in (2, 2, 3)]
    hooks.batch_process(model, requests)
    del runs[:]
    assert [answer["y"].array.tolist() for answer in answers_of(model, requests)] == [
        [[2, 2]],
        [[2, 2]],
        [[3, 3]],
    ]
    assert (runs, stacks[-1]) == ([2, 1], 0)


def test_requests_alike_and_others_are_joined_in_one_run(load, request_of, runs, stacks):
    model = load(paired)
    requests = [request_of(pair(*values)) for values in ([1], [2], [3, 4], [5])]
    hooks.batch_process(model, requests)
    del runs[:]
    answers = answers_of(model, requests)
    assert (runs, stacks[-1]) == ([5], 3)
    assert [answer["sum"].array.tolist() for answer in answers] == [
        [1.25],
        [2.5],
        [3.75, 5],
        [6.25],
    ]


def as_json(inputs, rows=False, **more):
    arrays = {name: array.tolist() for name, array in inputs.items()}
    if rows:
        count = len(next(iter(inputs.values())))
        document = {"instances": [{n: a[at] for n, a in arrays.items()} for at in range(count)]}
    else:
        document = {"inputs": arrays}
    return json.dumps(dict(document, **more)).encode()


@pytest.mark.parametrize("config", ["{}", '{"max_batch_rows": 3}', '{"allowed_batch_sizes": [8]}'])
def test_requests_of_two_codecs_share_a_run_and_each_is_answered_in_its_own(
    load, request_of, runs, config
):
    model = load(paired, config)
    sent = [pair(1), pair(2.5), pair(3, 4), pair(5), pair(6, 7), pair(8)]
    requests = [request_of(inputs) for inputs in sent]
    codecs = [0] * 6
    for at, by_rows in ((1, False), (2, True), (4, True), (5, False)):
        requests[at], codecs[at] = as_json(sent[at], by_rows), EAS_JSON
    alone = [hooks.process(model, *each) for each in zip(requests, codecs)]
    del runs[:]
    assert hooks.batch_process(model, requests, codecs) == alone
    assert runs == {"{}": [8], '{"max_batch_rows": 3}': [3, 2, 3]}.get(config, [8])


def test_json_alone_is_joined_too(load, runs):
    model = load(paired)
    sent = [pair(1), pair(2), pair(3, 4), pair(5)]
    requests = [as_json(inputs) for inputs in sent]
    alone = [hooks.process(model, request, EAS_JSON) for request in requests]
    del runs[:]
    assert hooks.batch_process(model, requests, [EAS_JSON] * 4) == alone
    assert runs == [5]


def test_other_names_for_the_same_tensors_share_the_run(load, request_of, runs):
    model = load(paired, "{}")
    inputs = pair(1)
    requests = [
        as_json(inputs, output_filter=["sum"]),
        request_of(inputs, ["sum"]),
        as_json(inputs, output_filter=["large"]),
    ]
    answers = hooks.batch_process(model, requests, [EAS_JSON, 0, EAS_JSON])
    assert runs == [2, 1]
    assert answers[0] == b'{"outputs": [1.25]}'
    assert answers[2] == b'{"outputs": [[false, false]]}'


def test_a_bad_request_of_one_codec_does_not_spoil_the_other(load, request_of, runs):
    model = load(paired)
    good = pair(1)
    requests = [b"{", request_of(good), b"\xff\xff", as_json(good), as_json({"a": rows(1)}), b""]
    answers = hooks.batch_process(model, requests, [EAS_JSON, 0, 0, EAS_JSON, EAS_JSON, 99])
    assert runs == [2]
    assert [getattr(answer, "code", "") for answer in answers] == [
        "INVALID_ARGUMENT",
        "",
        "INVALID_ARGUMENT",
        "",
        "INVALID_ARGUMENT",
        "UNIMPLEMENTED",
    ]


def test_an_answer_that_cannot_be_written_is_refused_alone(load, request_of, runs):
    def turned():
        x = v1.placeholder(tf.float32, [None], name="x")
        return {"serving_default": ({"x": x}, {"c": tf.cast(x, tf.complex64)})}

    model = load(turned)
    inputs = {"x": np.array([1], np.float32)}
    requests = [as_json(inputs), request_of(inputs), as_json(inputs, rows=True)]
    answers = hooks.batch_process(model, requests, [EAS_JSON, 0, EAS_JSON])
    assert runs == [3]
    assert wire.decode_response(answers[1])["c"].array.tolist() == [1]
    for answer in (answers[0], answers[2]):
        assert "output 'c' is DT_COMPLEX64, which JSON cannot represent" in str(answer)
    assert answers[0] is not answers[2]


@pytest.fixture
def lenient():
    class Lenient(ArrayProto):
        number = 202
        strict_shapes = False

    register(Lenient())
    yield Lenient.number
    del registry._codecs[Lenient.number]


def test_a_codec_decides_whether_shapes_are_held_to_the_signature(load, request_of, runs, lenient):
    def any_rank():
        x = v1.placeholder(tf.float32, None, name="x")
        return {"serving_default": ({"x": x}, {"y": tf.identity(x)})}

    def declare(meta):
        # As a signature may say it of a graph that takes more.
        shape = meta.signature_def["serving_default"].inputs["x"].tensor_shape
        shape.unknown_rank = False
        for size in (-1, 2):
            shape.dim.add(size=size)

    model = load(any_rank, edit=declare)
    fits, wide = request_of({"x": rows(1)}), request_of({"x": np.ones((1, 3), np.float32)})
    requests = [fits, wide, fits, wide, wide]
    answers = hooks.batch_process(model, requests, [0, 0, lenient, lenient, lenient])
    assert "expected DT_FLOAT [-1, 2], got DT_FLOAT [1, 3]" in str(answers[1])
    for at, width in ((0, 2), (2, 2), (3, 3), (4, 3)):
        assert wire.decode_response(answers[at])["y"].array.shape == (1, width)
    assert hooks.process(model, wide, lenient) == answers[3]


def test_the_rows_of_each_run_are_counted(load, request_of, runs):
    def build():
        x = v1.placeholder(tf.float32, [None, 2], name="x")
        return {"serving_default": ({"x": x}, {"y": x * 2.0, "z": tf.unique(x[:, 0])[0]})}

    model = load(build)
    hooks.take_times()
    sent = [
        request_of({"x": rows(*range(count))}, names)
        for names in (["y"], ["z"])
        for count in (1, 2, 3)
    ]
    hooks.batch_process(model, sent)
    assert hooks.take_times()[0] == runs == [6, 1, 2, 3]
    hooks.process(model, sent[1])
    hooks.batch_process(model, [b"\xff", sent[2]])
    assert hooks.take_times()[0] == [2, 3]
    assert hooks.take_times() == ([], 0.0, 0.0, 0.0)


def test_the_runs_of_a_batch_that_failed_are_those_that_came_after(load, request_of):
    def build():
        s = v1.placeholder(tf.string, [None], name="s")
        return {"serving_default": ({"s": s}, {"y": v1.string_to_number(s)})}

    model = load(build)
    hooks.take_times()
    sent = [request_of({"s": np.array([each], object)}) for each in (b"1", b"no", b"3")]
    hooks.batch_process(model, sent)
    assert hooks.take_times()[0] == [1, 1]
