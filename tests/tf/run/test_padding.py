"""Requests of several lengths share a run: `pad_variable_length_inputs`."""

import numpy as np
import pytest
from fixtures import need

need.module("tensorflow")

from eas_processor.tf.errors import ModelRefusal
from eas_processor.tf.runtime import tf, v1

PADS = '{"pad_variable_length_inputs": true}'


def summed():
    """Return the sum of each row, which reveals padding, and the row itself."""
    x = v1.placeholder(tf.float32, [None, None], name="x")
    return {"serving_default": ({"x": x}, {"sum": tf.reduce_sum(x, 1), "same": x * 1.0})}


def x(*rows):
    return {"x": np.array(rows, np.float32)}


def test_requests_are_lengthened_by_their_own_first_element(load, batch, runs):
    sent = [x([2, 3]), x([5, 6, 7, 8]), x([1], [4])]
    answers = batch(load(summed, PADS), *sent)
    assert runs == [4]
    assert [answer["sum"].tolist() for answer in answers] == [[9], [26], [4, 7]]
    assert [answer["same"].tolist() for answer in answers] == [
        [[2, 3, 2, 2]],
        [[5, 6, 7, 8]],
        [[1, 1, 1, 1], [4, 1, 1, 1]],
    ]


def test_each_request_of_a_stack_has_a_first_element_of_its_own(load, batch, runs):
    answers = batch(load(summed, PADS), x([1, 2]), x([3, 4]), x([5, 6, 7]))
    assert runs == [3]
    assert [answer["sum"].tolist() for answer in answers] == [[4], [10], [18]]


def test_without_the_parameter_each_length_has_a_run_of_its_own(load, batch, runs):
    answers = batch(load(summed), x([2, 3]), x([5, 6, 7]), x([1, 1]))
    assert runs == [2, 1]
    assert [answer["sum"].tolist() for answer in answers] == [[5], [18], [2]]


def test_requests_of_one_length_are_left_as_they_are(load, batch, runs):
    answers = batch(load(summed, PADS), x([2, 3]), x([4, 5]))
    assert runs == [2]
    assert [answer["sum"].tolist() for answer in answers] == [[5], [9]]


@pytest.mark.parametrize("rank", range(2, 7))
def test_every_dimension_but_the_first_is_lengthened(load, batch, runs, rank):
    def doubled():
        given = v1.placeholder(tf.int64, [None] * rank, name="x")
        return {"serving_default": ({"x": given}, {"y": given * 2})}

    short = np.full([1] * rank, 3, np.int64)
    long = np.arange(2 ** (rank - 1), dtype=np.int64).reshape([1] + [2] * (rank - 1))
    first, second = batch(load(doubled, PADS), {"x": short}, {"x": long})
    assert runs == [2]
    assert first["y"].tolist() == np.full(long.shape, 6).tolist()
    assert second["y"].tolist() == (long * 2).tolist()


def test_texts_are_lengthened_by_a_text(load, batch, runs):
    def joined():
        words = v1.placeholder(tf.string, [None, None], name="x")
        return {"serving_default": ({"x": words}, {"y": tf.strings.join([words, "!"])})}

    def sent(*words):
        return {"x": np.array([words], object)}

    first, second = batch(load(joined, PADS), sent(b"a"), sent(b"b", b"c"))
    assert runs == [2]
    assert first["y"].tolist() == [[b"a!", b"a!"]] and second["y"].tolist() == [[b"b!", b"c!"]]


def test_what_is_empty_runs_apart_for_it_has_nothing_to_be_lengthened_by(load, batch, runs):
    empty = {"x": np.zeros((1, 0), np.float32)}
    answers = batch(load(summed, PADS), empty, x([1, 2]), x([3]))
    assert sorted(runs) == [1, 2]
    assert [answer["sum"].tolist() for answer in answers] == [[0], [3], [6]]


def test_sizes_that_the_signature_fixes_are_not_lengthened(load, batch):
    """The short request has the same answer as alone if the graph accepts it."""

    def fixed():
        given = v1.placeholder(tf.float32, [None, 3], name="x")
        return {"serving_default": ({"x": given}, {"y": given * 2.0})}

    config = '{"pad_variable_length_inputs": true, "strict_shapes": false}'
    right, short = batch(load(fixed, config), x([1, 2, 3]), x([1, 2]))
    assert right["y"].tolist() == [[2, 4, 6]] and short["y"].tolist() == [[2, 4]]


def test_a_request_that_fails_spoils_no_other_and_the_others_keep_their_length(load, batch):
    def gathered():
        at = v1.placeholder(tf.int32, [None, None], name="at")
        return {"serving_default": ({"at": at}, {"got": tf.gather([10, 20], at)})}

    sent = [{"at": np.array([row], np.int32)} for row in ([0], [1, 7], [1, 0])]
    short, bad, good = batch(load(gathered, PADS), *sent)
    assert short["got"].tolist() == [[10]] and good["got"].tolist() == [[20, 10]]
    assert isinstance(bad, ModelRefusal)


def test_outputs_that_do_not_come_by_row_are_not_joined(load, batch, runs):
    def total():
        given = v1.placeholder(tf.float32, [None, None], name="x")
        by_row = given - tf.reduce_mean(given)
        return {"serving_default": ({"x": given}, {"y": by_row})}

    first, second = batch(load(total, PADS), x([1, 3]), x([2, 2, 8]))
    assert runs == [1, 1]
    assert first["y"].tolist() == [[-1, 1]] and second["y"].tolist() == [[-2, -2, 4]]


def test_lengthened_requests_get_rows_up_to_an_allowed_size(load, batch, runs):
    config = '{"pad_variable_length_inputs": true, "allowed_batch_sizes": [4], "max_batch_rows": 4}'
    answers = batch(load(summed, config), x([1, 2]), x([3]), x([4, 5, 6]))
    assert runs == [4]
    assert [answer["sum"].tolist() for answer in answers] == [[4], [9], [15]]


def test_a_long_row_beside_many_short_ones_takes_no_memory_for_both(load, batch, runs):
    """Padded, these two would take 3 GB."""
    many, long = np.ones((30_000, 1), np.float32), np.ones((1, 25_000), np.float32)
    first, second = batch(load(summed, PADS), {"x": many}, {"x": long})
    assert sorted(runs) == [1, 30_000]
    assert first["sum"].shape == (30_000,) and second["sum"].tolist() == [25_000]
