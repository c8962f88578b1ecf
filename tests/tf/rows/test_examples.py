"""Models that take serialized `tf.train.Example`s."""

import numpy as np
import pytest
from fixtures import need

need.module("tensorflow")

from eas_processor.tf import hooks
from eas_processor.tf.errors import ModelRefusal
from eas_processor.tf.run.model import Model
from eas_processor.tf.runtime import tf, v1

parse_example = getattr(tf.io, "parse_example", None) or v1.parse_example


def example(*values, words=()):
    features = {"x": tf.train.Feature(float_list=tf.train.FloatList(value=values))}
    features["n"] = tf.train.Feature(int64_list=tf.train.Int64List(value=range(len(words))))
    features["words"] = tf.train.Feature(bytes_list=tf.train.BytesList(value=words))
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()


FIXED = v1.FixedLenFeature([2], tf.float32)
VARYING = v1.VarLenFeature(tf.string)
SEQUENCE = v1.FixedLenSequenceFeature([], tf.string, allow_missing=True, default_value="")


def dense(features):
    return {"x": features["x"] * 2.0, "sum": tf.reduce_sum(features["x"], axis=1)}


def sequence(features):
    return {"words": features["words"]}


def table(features):
    return {"words": v1.sparse_tensor_to_dense(features["words"], default_value="")}


def values(features):
    return {"words": features["words"].values}


def sums(features):
    """An output by row, which the proof cannot follow through a sparse tensor."""
    numbers = v1.sparse_tensor_to_dense(features["n"], default_value=0)
    return {"sum": tf.reduce_sum(numbers, axis=1)}


def load_parser(load, features, outputs, parse=parse_example, config=""):
    def build():
        examples = v1.placeholder(tf.string, [None], name="examples")
        return {"serving_default": ({"examples": examples}, outputs(parse(examples, features)))}

    return load(build, config)


def parse_in_function(examples, features):
    """The op in a function of TensorFlow 2, whose outputs have a name and a number."""
    return tf.function(lambda each: tf.io.parse_example(each, features))(examples)


@pytest.fixture
def runs(monkeypatch):
    counted = []
    run = Model.run
    monkeypatch.setattr(Model, "run", lambda *args: counted.append(1) or run(*args))
    return counted


def batch(model, request_of, runs, *rows):
    """Return the answers to single requests and to a batch, and the runs of the batch."""
    bodies = [request_of({"examples": np.array(each, object)}) for each in rows]
    alone = [hooks.process(model, body) for body in bodies]
    del runs[:]
    return alone, hooks.batch_process(model, bodies), len(runs)


ROWS = (
    [example(1, 2, words=[b"a"])],
    [example(3, 4, words=[b"b", b"c"])],
    [example(5, 6), example(7, 8, words=[b"d"])],
)


@pytest.mark.parametrize(
    "features", [{"x": FIXED}, {"x": FIXED, "words": VARYING}], ids=["alone", "beside sparse"]
)
@pytest.mark.parametrize("parse", [parse_example, parse_in_function])
def test_features_of_a_fixed_length_are_joined(load, request_of, runs, features, parse):
    if parse is parse_in_function and not hasattr(tf, "function"):
        pytest.skip("needs the functions of TensorFlow 2")
    model = load_parser(load, features, dense, parse)
    alone, batched, count = batch(model, request_of, runs, *ROWS)
    assert count == 1
    assert batched == alone


@pytest.mark.parametrize(
    "features, outputs",
    [({"words": SEQUENCE}, sequence), ({"words": VARYING}, table), ({"words": VARYING}, values)],
    ids=["sequence", "table", "values"],
)
def test_what_is_as_long_as_the_longest_is_not(load, request_of, runs, features, outputs):
    model = load_parser(load, features, outputs)
    alone, batched, count = batch(model, request_of, runs, *ROWS)
    assert count == 3
    assert batched == alone


@pytest.mark.parametrize("config, count", [("", 3), ('{"outputs_by_row": ["sum"]}', 1)])
def test_sums_of_a_sparse_feature_are_joined_where_that_is_stated(
    load, request_of, runs, config, count
):
    features = {"n": v1.VarLenFeature(tf.int64)}
    model = load_parser(load, features, sums, config=config)
    alone, batched, counted = batch(model, request_of, runs, *ROWS)
    assert counted == count
    assert batched == alone


def test_an_example_that_cannot_be_parsed_is_refused_alone(load, request_of, runs):
    model = load_parser(load, {"x": FIXED}, dense)
    good = request_of({"examples": np.array(ROWS[0], object)})
    for bad in (b"\xff\xff", b"", example(1)):
        sent = [good, request_of({"examples": np.array([bad], object)}), good]
        first, refused, last = hooks.batch_process(model, sent)
        assert isinstance(refused, ModelRefusal)
        assert first == last == hooks.process(model, good)
