"""Only outputs that are proven to come by row are split; see also test_property."""

import logging

import numpy as np
import pytest
from fixtures import need

need.module("tensorflow")

import eas_wire as wire
from eas_processor.tf import hooks
from eas_processor.tf.rows import graph as row_graph
from eas_processor.tf.rows import proof as row_proof
from eas_processor.tf.runtime import tf, v1

pytestmark = pytest.mark.medium


def floats(*rows):
    return np.array(rows, np.float32)


def table_of_any_size(values):
    return v1.placeholder_with_default(tf.constant(values), [None])


def with_outputs(make, columns=2):
    """Return a function that builds a model with `scores` by row, and the output of `make`."""

    def build():
        x = v1.placeholder(tf.float32, [None, columns], name="x")
        return {"serving_default": ({"x": x}, {"scores": x * 2.0, "other": make(x)})}

    return build


def string_variable(x):
    names = v1.get_variable(
        "names",
        initializer=tf.constant(["cat", "dog", "owl"]),
        validate_shape=False,
        use_resource=False,
    )
    return v1.placeholder_with_default(names, [None])


def boxes(x):
    corners = tf.concat([x * 0.0, x * 0.0 + 1.0], axis=1) + 5.0 * tf.tile(x[:, :1], [1, 4])
    return tf.image.non_max_suppression(corners, x[:, 0], 10)


def unique(x):
    return tf.unique(x[:, 0])[0]


NOT_BY_ROW = {
    "a string variable": string_variable,
    "a constant": lambda x: tf.constant([1.0, 2.0, 3.0]),
    "a constant of any size": lambda x: table_of_any_size([1.0, 2.0, 3.0]),
    "unique values": unique,
    "boxes after suppression": boxes,
    "what is above a limit": lambda x: tf.boolean_mask(x[:, 0], tf.greater(x[:, 0], 1.0)),
    "places": lambda x: v1.where(tf.greater(x[:, 0], 0.0)),
    "a vocabulary": lambda x: (
        tf.strings.split(["a b c"]).values
        if hasattr(tf, "RaggedTensor")
        else v1.string_split(["a b c"]).values
    ),
    "as many as a value says": lambda x: tf.fill([tf.cast(tf.reduce_sum(x[:, 0]), tf.int32)], 1.0),
    "columns": tf.transpose,
    "a scalar": tf.reduce_sum,
    "an undeclared scalar": lambda x: v1.placeholder_with_default(tf.reduce_sum(x), None),
    "the number of the row": lambda x: tf.range(tf.shape(x)[0]),
    "less the mean": lambda x: x - tf.reduce_mean(x, axis=0),
    "rows backwards": lambda x: x[::-1],
    "shares of all rows": lambda x: tf.transpose(tf.nn.softmax(tf.transpose(x))),
}


@pytest.mark.parametrize("name", NOT_BY_ROW)
@pytest.mark.parametrize("config", ["", '{"allowed_batch_sizes": [3]}'])
def test_an_output_that_is_not_by_row_is_not_cut_up(load, request_of, name, config):
    model = load(with_outputs(NOT_BY_ROW[name]), config)
    sent = [floats([1, 9]), floats([1, 8]), floats([1, 7])]
    requests = [request_of({"x": x}) for x in sent]
    reference = load(with_outputs(NOT_BY_ROW[name]), name="reference")
    alone = [hooks.process(reference, each) for each in requests]
    assert hooks.batch_process(model, requests) == alone
    assert hooks.process(model, requests[0]) == alone[0]
    assert hooks.batch_process(model, requests) == alone


def test_a_request_for_the_rows_alone_is_batched_beside_them(load, request_of, run_sizes):
    model = load(with_outputs(string_variable))
    requests = [request_of({"x": floats([each, each])}, ["scores"]) for each in (1, 2, 3)]
    hooks.batch_process(model, requests)
    assert run_sizes == [3]


@pytest.fixture
def run_sizes(monkeypatch):
    """The rows of each run, in order."""
    from eas_processor.tf.run.model import Model

    sizes = []
    run = Model.run

    def count(self, plan, arrays):
        sizes.append(row_proof.count_rows(arrays))
        return run(self, plan, arrays)

    monkeypatch.setattr(Model, "run", count)
    return sizes


def blocks():
    """An output that comes by row only for rows of width 3, which the graph does not tell."""
    x = v1.placeholder(tf.float32, [None, None], name="x")
    return {"serving_default": ({"x": x}, {"y": tf.reshape(x, [-1, 3])})}


def wide(width, *counts):
    return [
        wire.encode_request(
            wire.Request("", {"x": wire.Tensor(wire.DT_FLOAT, np.ones((each, width), "f"))}, [])
        )
        for each in counts
    ]


def test_as_many_rows_again_prove_nothing(load, run_sizes):
    model = load(blocks)
    hooks.batch_process(model, wide(3, 2, 2))
    del run_sizes[:]
    hooks.batch_process(model, wide(3, 1, 1, 1, 1))
    assert run_sizes == [4]
    other = load(blocks, name="other")
    hooks.batch_process(other, wide(3, 2, 2))
    del run_sizes[:]
    hooks.batch_process(other, wide(3, 1, 1))
    assert run_sizes == [1, 1]


@pytest.mark.parametrize(
    "counts, sizes",
    [
        ([1, 1, 1, 1], [1, 3]),
        ([1, 1], [1, 1]),
        ([2, 2, 2], [2, 4]),
        ([3, 3], [3, 3]),
    ],
)
def test_two_numbers_of_rows_prove_what_the_graph_does_not(load, run_sizes, counts, sizes):
    model = load(blocks)
    answers = hooks.batch_process(model, wide(3, *counts))
    assert run_sizes == sizes
    shapes = [wire.decode_response(each)["y"].array.shape for each in answers]
    assert shapes == [(each, 3) for each in counts]


def test_runs_alone_are_evidence_once_a_batch_has_asked(load, run_sizes):
    model = load(blocks)
    hooks.batch_process(model, wide(3, 1, 1))
    hooks.process(model, wide(3, 5)[0])
    del run_sizes[:]
    hooks.batch_process(model, wide(3, 1, 1))
    assert run_sizes == [2]


def test_one_run_of_another_first_dimension_disproves_for_good(load, run_sizes):
    model = load(blocks)
    hooks.batch_process(model, wide(3, 1, 1, 1))
    hooks.process(model, wide(6, 1)[0])
    del run_sizes[:]
    answers = hooks.batch_process(model, wide(3, 1, 1, 1))
    assert run_sizes == [1, 1, 1]
    assert len({bytes(each) for each in answers}) == 1


def test_evidence_is_of_one_width(load, run_sizes):
    def turned():
        x = v1.placeholder(tf.float32, [None, None], name="x")
        flat = tf.reshape(x, [-1, 3])
        return {"serving_default": ({"x": x}, {"y": tf.reshape(flat, [-1, 3]) * 1.0})}

    model = load(turned)
    hooks.batch_process(model, wide(3, 1, 1, 1))
    del run_sizes[:]
    answers = hooks.batch_process(model, wide(6, 1, 1, 1))
    assert run_sizes == [1, 1, 1]
    assert wire.decode_response(answers[0])["y"].array.shape == (2, 3)


def test_evidence_does_not_grow_without_end(load, monkeypatch):
    monkeypatch.setattr(row_proof, "_MAX_KEYS", 4)

    def build():
        x = v1.placeholder(tf.float32, [None, None], name="x")
        scale = v1.placeholder(tf.string, [], name="scale")
        y = tf.reshape(x, [-1, 3]) * tf.cast(tf.strings.length(scale), tf.float32)
        return {"serving_default": ({"x": x, "scale": scale}, {"y": y})}

    model = load(build)
    for length in range(10):
        scale = np.array(b"s" * (length * 1000), object)
        inputs = {
            "x": wire.Tensor(wire.DT_FLOAT, np.ones((1, 3), "f")),
            "scale": wire.Tensor(wire.DT_STRING, scale),
        }
        hooks.batch_process(model, [wire.encode_request(wire.Request("", inputs, []))] * 3)
    plan = model.plan("", ["x", "scale"], [])
    assert len(plan.proof._seen) <= 4
    assert len(repr(plan.proof._seen)) < 2000


def test_padding_waits_for_the_proof(load, run_sizes):
    model = load(blocks, '{"allowed_batch_sizes": [4]}')
    for _ in range(3):
        answer = hooks.process(model, wide(3, 1)[0])
        assert wire.decode_response(answer)["y"].array.shape == (1, 3)
    assert run_sizes == [1, 4, 4]


def test_why_a_model_is_not_batched_is_logged(load, request_of, caplog):
    model = load(with_outputs(string_variable))
    with caplog.at_level(logging.INFO):
        for _ in range(2):
            hooks.batch_process(model, [request_of({"x": floats([1, 1])})] * 2)
    (said,) = [each for each in caplog.messages if "not batched" in each]
    assert said == (
        "signature 'serving_default': not batched, because these outputs are not proven to come by "
        "row: 'other'; exclude them by output_filter, or name them in "
        "model_config.outputs_by_row if they do"
    )


def test_what_is_known_of_ranks_does_not_grow_without_end(load, monkeypatch, caplog):
    monkeypatch.setattr(row_proof, "_MAX_KEYS", 4)

    def undeclared():
        x = v1.placeholder(tf.float32, None, name="x")
        return {"serving_default": ({"x": x}, {"y": v1.where(tf.greater(x, 0.0))})}

    model = load(undeclared)
    with caplog.at_level(logging.INFO):
        for rank in range(1, 12):
            tensor = wire.Tensor(wire.DT_FLOAT, np.ones([1] * rank, "f"))
            body = wire.encode_request(wire.Request("", {"x": tensor}, []))
            hooks.batch_process(model, [body] * 2)
    assert len(model.plan("", ["x"], []).proof._verdicts) <= 4
    assert caplog.text.count("not batched") == 1


def stacked_by_value(x):
    """An output by row, although the graph does not show it."""
    return tf.boolean_mask(x, tf.greater(x[:, 0], -1.0))


@pytest.mark.parametrize("stated", ["true", '["other"]', '["other", "scores"]', '"True"'])
def test_an_output_that_is_stated_to_come_by_row_is_joined(load, request_of, run_sizes, stated):
    model = load(with_outputs(stacked_by_value), '{"outputs_by_row": %s}' % stated)
    requests = [request_of({"x": floats([each, each])}) for each in (1, 2, 3)]
    alone = [hooks.process(model, each) for each in requests]
    del run_sizes[:]
    assert hooks.batch_process(model, requests) == alone
    assert run_sizes == [3]


@pytest.mark.parametrize("stated", ["false", '["scores"]'])
def test_what_is_not_stated_is_left_to_the_proof(load, request_of, run_sizes, stated):
    model = load(with_outputs(stacked_by_value), '{"outputs_by_row": %s}' % stated)
    hooks.batch_process(model, [request_of({"x": floats([1, 1])})] * 3)
    assert run_sizes == [1, 1, 1]


def test_no_output_is_joined_where_that_is_stated(load, request_of, run_sizes, caplog):
    model = load(with_outputs(stacked_by_value), '{"outputs_by_row": false}')
    with caplog.at_level(logging.INFO):
        hooks.batch_process(model, [request_of({"x": floats([1, 1])}, ["scores"])] * 3)
    assert run_sizes == [1, 1, 1]
    assert "not batched, because of model_config.outputs_by_row" in caplog.text


@pytest.mark.parametrize("config", ['{"outputs_by_row": true}', '{"outputs_by_row": ["other"]}'])
@pytest.mark.parametrize("warmed", [True, False])
def test_a_statement_that_a_run_disproves_is_not_relied_on(
    load, request_of, run_sizes, caplog, config, warmed
):
    model = load(with_outputs(unique), config)
    requests = [request_of({"x": floats([each, each])}) for each in (1, 2, 2)]
    reference = load(with_outputs(unique), name="reference")
    alone = [hooks.process(reference, each) for each in requests]
    if warmed:
        hooks.process(model, request_of({"x": floats([5, 1], [5, 1])}))
    del run_sizes[:]
    for sizes in ([1] * 3 if warmed else [3, 1, 1, 1], [1] * 3):
        assert hooks.batch_process(model, requests) == alone
        assert run_sizes == sizes
        del run_sizes[:]
    (record,) = [each for each in caplog.records if each.levelno == logging.WARNING]
    assert record.getMessage() == (
        "signature 'serving_default': not batched from now on, because output 'other' has shape "
        "%s in a run of %d rows, although model_config.outputs_by_row says that it comes by row"
        % (("[1]", 2) if warmed else ("[2]", 3))
    )


def test_a_stated_output_that_there_is_not_is_a_warning(load, caplog):
    load(with_outputs(stacked_by_value), '{"outputs_by_row": ["scores", "label"]}')
    assert "model_config.outputs_by_row names 'label', which no signature returns; " in caplog.text
    assert "'other', 'scores'" in caplog.text


def test_a_graph_that_is_too_large_to_follow_is_not_batched(load, run_sizes, monkeypatch, caplog):
    monkeypatch.setattr(row_graph, "_MAX_NODES", 1)
    model = load(blocks)
    with caplog.at_level(logging.INFO):
        hooks.batch_process(model, wide(3, 1, 1))
    assert run_sizes == [1, 1]
    assert "too large" in caplog.text


def test_shapes_that_are_not_held_are_not_relied_on(load, run_sizes):
    def declared():
        x = v1.placeholder(tf.float32, [None, 3], name="x")
        return {"serving_default": ({"x": x}, {"y": tf.reshape(x, [-1, 3])})}

    model = load(declared, '{"strict_shapes": false}')
    answers = hooks.batch_process(model, wide(6, 1, 1, 1))
    assert [wire.decode_response(each)["y"].array.shape for each in answers] == [(2, 3)] * 3


def test_a_graph_that_cannot_be_followed_is_not_batched(load, run_sizes, monkeypatch, caplog):
    def fail(*_):
        raise RuntimeError("a defect")

    monkeypatch.setattr(row_graph, "apply", fail)
    model = load(blocks)
    for _ in range(2):
        hooks.batch_process(model, wide(3, 1, 1))
    assert run_sizes == [1, 1, 1, 1]
    assert caplog.text.count("could not be followed") == 1
