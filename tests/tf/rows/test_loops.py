"""Requests are joined if each round of a loop uses only its own row."""

import numpy as np
import pytest
from fixtures import need

need.module("tensorflow")

import eas_wire as wire
from eas_processor.tf import hooks
from eas_processor.tf.run.model import Model
from eas_processor.tf.runtime import tf, v1

pytestmark = [
    pytest.mark.medium,
    pytest.mark.skipif(
        not hasattr(tf, "function") or not hasattr(v1, "enable_control_flow_v2"),
        reason="needs the loops of TensorFlow 2",
    ),
]


def as_float(tensor):
    return tf.cast(tensor, tf.float32)


def rows_in(x):
    return tf.shape(x)[0]


def over(*tensors):
    """Return a decorator that turns a function of one row into a loop over rows."""

    def loop(function, dtype=tf.float32):
        if len(tensors) == 1:
            return tf.map_fn(function, tensors[0], dtype=dtype)
        return tf.map_fn(lambda each: function(*each), tensors, dtype=dtype)

    return loop


def decoded(x):
    raw = tf.map_fn(
        lambda text: tf.reshape(tf.io.decode_raw(text, tf.uint8), [4]), texts(x), dtype=tf.uint8
    )
    return as_float(raw)


def texts(x):
    """One string of four bytes for each row, made of that row."""
    return tf.strings.as_string(x[:, 0], precision=2, width=4)


def images(x):
    """An image of another size for each row, until they are resized."""

    def read(row):
        size = tf.cast(row[0], tf.int32) + 1
        image = tf.image.resize(tf.fill([size, size, 1], row[1]), [2, 2])
        return tf.ensure_shape(image, [2, 2, 1])

    return over(x)(read)


def looked_up(x):
    table = tf.constant([[1.0, 2.0], [3.0, 4.0]])
    return over(x)(lambda row: tf.gather(table, tf.cast(row[0] > 1.0, tf.int32)) + row[:2])


def inner_loop(x):
    def halve(row):
        return tf.while_loop(
            lambda y, _: tf.reduce_max(y) > 0.5, lambda y, n: (y / 2.0, n + 1.0), [row, 0.0]
        )[0]

    return over(x)(lambda row: tf.ensure_shape(halve(row), [2]))


BY_ROW = {
    "doubled": lambda x: over(x)(lambda row: row * 2.0),
    "decoded": decoded,
    "images": images,
    "looked up": looked_up,
    "two lists": lambda x: over(x, x * 3.0)(lambda one, other: one - other),
    "two results": lambda x: tf.add(*over(x)(lambda row: (row, row * row), (tf.float32,) * 2)),
    "one after the other": lambda x: over(over(x)(lambda row: row + 1.0))(lambda row: row * row),
    "as many as unique": lambda x: over(x)(lambda row: as_float(tf.size(tf.unique(row)[0]))),
    "a sum of its own": lambda x: over(x)(tf.reduce_sum),
    "less its mean": lambda x: over(x)(lambda row: row - tf.reduce_mean(row)),
    "a constant": lambda x: over(x)(lambda row: tf.constant([1.0, 2.0])),
    "a choice by value": lambda x: over(x)(
        lambda row: tf.cond(tf.reduce_sum(row) > 3.0, lambda: row * 2.0, lambda: -row)
    ),
}

if not tf.__version__.startswith("1."):  # whose loops all count as stateful
    BY_ROW["an inner loop"] = inner_loop


def loop_of(x, body, start=0, cond=None):
    """A handwritten loop over the rows; `body` gets the place and the list."""
    count = rows_in(x)
    out = tf.TensorArray(tf.float32, count, element_shape=[2])
    result = tf.while_loop(cond or (lambda at, *_: at < count), body, [start, out])
    return result[1].stack()


def carried(x):
    source = tf.TensorArray(tf.float32, rows_in(x), element_shape=[2]).unstack(x)
    out = tf.TensorArray(tf.float32, rows_in(x), element_shape=[2])
    return tf.while_loop(
        lambda at, *_: at < rows_in(x),
        lambda at, before, out: (at + 1, source.read(at), out.write(at, before + source.read(at))),
        [0, tf.zeros([2]), out],
    )[2].stack()


def counted_as_float(x):
    source = tf.TensorArray(tf.float32, rows_in(x), element_shape=[2]).unstack(x)
    out = tf.TensorArray(tf.float32, rows_in(x), element_shape=[2])
    return tf.while_loop(
        lambda at, *_: at < rows_in(x),
        lambda at, n, out: (at + 1, n + 1.0, out.write(at, source.read(at) * n)),
        [0, 1.0, out],
    )[2].stack()


def swapped(x):
    one = tf.TensorArray(tf.float32, rows_in(x), element_shape=[2])
    other = tf.TensorArray(tf.float32, rows_in(x), element_shape=[2])
    source = tf.TensorArray(tf.float32, rows_in(x), element_shape=[2]).unstack(x)
    return tf.while_loop(
        lambda at, *_: at < rows_in(x),
        lambda at, one, other: (
            at + 1,
            other.write(at, source.read(at)),
            one.write(at, source.read(at) * 2.0),
        ),
        [0, one, other],
    )[1].stack()


def read_at(change, length=rows_in):
    """A loop that reads its list at a place made of the number of the round."""

    def model(x):
        source = tf.TensorArray(tf.float32, length(x), element_shape=[2], clear_after_read=False)
        source = source.unstack(tf.concat([x, x], 0)[: length(x)])
        return loop_of(x, lambda at, out: (at + 1, out.write(at, source.read(change(at, x)))))

    return model


def written_at(change):
    def model(x):
        source = tf.TensorArray(tf.float32, rows_in(x), element_shape=[2]).unstack(x)
        return loop_of(x, lambda at, out: (at + 1, out.write(change(at, x), source.read(at))))

    return model


def steps_of_two(x):
    source = tf.TensorArray(tf.float32, rows_in(x), element_shape=[2]).unstack(x)
    return loop_of(x, lambda at, out: (at + 2, out.write(at, source.read(at))))


def last_left_out(x):
    source = tf.TensorArray(tf.float32, rows_in(x), element_shape=[2]).unstack(x)
    return loop_of(
        x,
        lambda at, out: (at + 1, out.write(at, source.read(at))),
        cond=lambda at, *_: at < rows_in(x) - 1,
    )


def at_least_two(x):
    source = tf.TensorArray(tf.float32, rows_in(x), element_shape=[2]).unstack(x)
    return loop_of(
        x,
        lambda at, out: (at + 1, out.write(at, source.read(at))),
        cond=lambda at, *_: tf.logical_and(at < rows_in(x), at < 2),
    )


MIXED = {
    "the sum of all": lambda x: over(x)(lambda row: row + tf.reduce_sum(x)),
    "the number of rows": lambda x: over(x)(lambda row: row * as_float(rows_in(x))),
    "the number of the row": lambda x: as_float(over(tf.range(rows_in(x)))(tf.identity, tf.int32)),
    "times the number of the row": lambda x: over(x, tf.range(rows_in(x)))(
        lambda row, at: row * as_float(at)
    ),
    "by place": lambda x: over(tf.range(rows_in(x)))(lambda at: x[at] + x[0]),
    "running sums": lambda x: tf.scan(lambda before, row: before + row, x),
    "the row before": carried,
    "a second counter": counted_as_float,
    "lists swapped": swapped,
    "the first": read_at(lambda at, x: at * 0),
    "the second for all after it": read_at(lambda at, x: tf.sign(at)),
    "backwards": read_at(lambda at, x: rows_in(x) - 1 - at),
    "half as far": read_at(lambda at, x: at // 2),
    "the next, or the first": read_at(lambda at, x: at + 1, lambda x: rows_in(x) + 1),
    "of twice as many": read_at(lambda at, x: at, lambda x: 2 * rows_in(x)),
    "written backwards": written_at(lambda at, x: rows_in(x) - 1 - at),
    "written at the second": written_at(lambda at, x: tf.sign(at)),
    "steps of two": steps_of_two,
    "the last left out": last_left_out,
    "two rows at most": at_least_two,
    "rows within rows": lambda x: over(x)(
        lambda row: tf.reduce_sum(over(x)(lambda other: other * row), 0)
    ),
}


def answers(load, monkeypatch, build, counts):
    """Return the answers to requests alone and as a batch, and the runs of the batch."""

    def signature():
        x = v1.placeholder(tf.float32, [None, 2], name="x")
        return {"serving_default": ({"x": x}, {"y": tf.function(build, autograph=False)(x)})}

    model = load(signature)
    numbers = np.random.RandomState(1)
    bodies = [
        wire.encode_request(
            wire.Request(
                "", {"x": wire.Tensor(wire.DT_FLOAT, numbers.rand(each, 2).astype("f") * 4)}, []
            )
        )
        for each in counts
    ]
    alone = [hooks.process(model, body) for body in bodies]
    runs = []
    run = Model.run
    monkeypatch.setattr(Model, "run", lambda *args: runs.append(1) or run(*args))
    return alone, hooks.batch_process(model, bodies), len(runs)


@pytest.mark.parametrize("name", BY_ROW)
def test_a_loop_over_rows_is_joined(load, monkeypatch, name):
    alone, batched, runs = answers(load, monkeypatch, BY_ROW[name], [1, 2, 0, 3])
    assert runs == 1
    assert batched == alone


@pytest.mark.parametrize("name", MIXED)
def test_a_loop_that_sees_other_rows_is_not(load, monkeypatch, name):
    alone, batched, runs = answers(load, monkeypatch, MIXED[name], [1, 2, 3])
    assert runs == 3
    assert batched == alone
