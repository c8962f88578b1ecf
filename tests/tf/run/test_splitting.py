"""Requests with more rows than one run may have: `enable_large_batch_splitting`."""

import numpy as np
import pytest
from fixtures import need

need.module("tensorflow")

from eas_processor.tf import hooks
from eas_processor.tf.errors import ModelRefusal
from eas_processor.tf.runtime import tf, v1

SPLITS = '{"enable_large_batch_splitting": true, "max_batch_rows": 4%s}'


def doubled():
    x = v1.placeholder(tf.float32, [None], name="x")
    return {"serving_default": ({"x": x}, {"y": x * 2.0, "next": x + 1.0})}


def x(*values):
    return {"x": np.array(values, np.float32)}


def test_a_large_request_is_run_in_parts(load, predict, runs):
    answer = predict(load(doubled, SPLITS % ""), x(*range(10)))
    assert runs == [4, 4, 2]
    assert answer["y"].tolist() == [2.0 * each for each in range(10)]
    assert answer["next"].tolist() == [1.0 + each for each in range(10)]


def test_the_runs_of_its_parts_are_counted(load, predict):
    model = load(doubled, SPLITS % "")
    hooks.take_times()
    predict(model, x(*range(10)))
    assert hooks.take_times()[0] == [4, 4, 2]


def test_parts_are_filled_with_what_came_together(load, batch, runs):
    answers = batch(load(doubled, SPLITS % ""), x(1, 2, 3), x(*range(7)), x(5))
    assert runs == [4, 4, 3]
    assert [answer["y"].tolist() for answer in answers] == [
        [2, 4, 6],
        [2.0 * each for each in range(7)],
        [10],
    ]


def test_the_last_part_gets_rows_up_to_an_allowed_size(load, predict, runs):
    model = load(doubled, SPLITS % ', "allowed_batch_sizes": [2, 4]')
    assert predict(model, x(*range(9)))["y"].tolist() == [2.0 * each for each in range(9)]
    assert runs == [4, 4, 2]


def test_without_the_parameter_a_large_request_runs_whole(load, predict, runs):
    assert len(predict(load(doubled, '{"max_batch_rows": 4}'), x(*range(10)))["y"]) == 10
    assert runs == [10]


def test_scalars_go_with_each_part(load, predict, runs):
    def scaled():
        given = v1.placeholder(tf.float32, [None], name="x")
        factor = v1.placeholder(tf.float32, [], name="factor")
        return {"serving_default": ({"x": given, "factor": factor}, {"y": given * factor})}

    sent = {**x(*range(5)), "factor": np.array(3, np.float32)}
    assert predict(load(scaled, SPLITS % ""), sent)["y"].tolist() == [0, 3, 6, 9, 12]
    assert runs == [4, 1]


def test_outputs_that_do_not_come_by_row_are_of_one_run(load, predict, runs):
    def centred():
        given = v1.placeholder(tf.float32, [None], name="x")
        return {"serving_default": ({"x": given}, {"y": given - tf.reduce_mean(given)})}

    assert predict(load(centred, SPLITS % ""), x(*range(5)))["y"].tolist() == [-2, -1, 0, 1, 2]
    assert runs == [5]


def test_a_part_that_fails_refuses_the_request_and_no_other(load, batch, runs):
    def gathered():
        at = v1.placeholder(tf.int32, [None], name="at")
        return {"serving_default": ({"at": at}, {"got": tf.gather([10, 20], at)})}

    def at(*values):
        return {"at": np.array(values, np.int32)}

    bad, good = batch(load(gathered, SPLITS % ""), at(0, 0, 0, 0, 0, 9), at(1))
    assert isinstance(bad, ModelRefusal) and good["got"].tolist() == [20]
    assert max(runs) <= 4


@pytest.mark.parametrize("rows", [0, 1, 4])
def test_small_requests_run_once(load, predict, runs, rows):
    assert len(predict(load(doubled, SPLITS % ""), {"x": np.ones(rows, np.float32)})["y"]) == rows
    assert runs == [rows]
