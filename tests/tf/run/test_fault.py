"""Each class of TensorFlow error: is it the request's fault, and so a 400?"""

import os
import re

import numpy as np
import pytest
from fixtures import need

need.module("tensorflow")

from tensorflow.python.framework import function

from eas_processor.tf import hooks
from eas_processor.tf.errors import ModelRefusal, RunError
from eas_processor.tf.run.fault import Faults
from eas_processor.tf.runtime import tf, v1

ONES = np.ones(2, np.float32)
CLASSES = sorted(set(filter(re.compile("[A-Z].*Error$").match, dir(tf.errors))) - {"OpError"})


def floats(name="x", shape=(None,)):
    return v1.placeholder(tf.float32, None if shape is None else list(shape), name=name)


def text(name="x"):
    return v1.placeholder(tf.string, [], name=name)


def number(string):
    return v1.string_to_number(string)


def closed_queue(x):
    queue = v1.FIFOQueue(3, tf.float32)
    with tf.control_dependencies([queue.close()]):
        return x + queue.dequeue()


def dataset_at_its_end(x):
    dataset = tf.data.Dataset.range(0)
    make = getattr(dataset, "make_one_shot_iterator", None)
    iterator = make() if make else v1.data.make_one_shot_iterator(dataset)
    return x + tf.cast(iterator.get_next(), tf.float32)


def in_a_function(x):
    @function.Defun(tf.float32)
    def inner(a):
        return v1.reshape(a, [7])

    return inner(x)


def waits_for(x, what):
    with tf.control_dependencies([what]):
        return tf.identity(x)


def asserted(x):
    return waits_for(x, v1.Assert(tf.reduce_all(x > 1), ["too small"]))


def outer(x):
    return x + v1.transpose(x)


def gunzip(x):
    decompress = getattr(v1, "decode_compressed", None) or tf.io.decode_compressed
    return decompress(x, compression_type="GZIP")


INDEX = np.array([5], np.int32)
TEN = np.ones((1, 2) * 5, np.float32)
OBJECT = np.array(b"/nope/no such", object)

# What the graph computes of x, the x of a request, and the class of the error.
REQUESTS = {
    "an index out of range": (
        lambda: v1.gather(tf.constant([1.0, 2.0]), v1.placeholder(tf.int32, [None], name="x")),
        INDEX,
    ),
    "text that is no number": (lambda: number(text()), OBJECT),
    "a shape that does not fit": (lambda: v1.reshape(floats(), [7]), ONES),
    "a shape that does not fit, in a function": (lambda: in_a_function(floats()), ONES),
    "a check of the values": (
        lambda: v1.check_numerics(floats(), "not finite"),
        ONES * np.inf,
    ),
    "an assertion": (lambda: asserted(floats()), ONES),
    "bytes that are not compressed": (lambda: gunzip(text()), OBJECT),
    "a file that the request names": (lambda: v1.read_file(text()), OBJECT),
    "more dimensions than a kernel has": (lambda: outer(floats(shape=None)), TEN),
}


MODELS = {
    "a constant that is no number": (lambda: floats() + number(tf.constant("abc")), ONES),
    "a queue that is closed": (lambda: closed_queue(floats()), ONES),
    "a data set at its end": (lambda: dataset_at_its_end(floats()), ONES),
    "a file that the graph names": (
        lambda: floats() + number(v1.read_file(tf.constant("/nope/no such file"))),
        ONES,
    ),
    "an assertion of constants": (
        lambda: waits_for(floats(), v1.Assert(tf.constant(False), ["never"])),
        ONES,
    ),
    "a kernel that cannot be made": (lambda: tf.cast(text(), tf.float32), OBJECT),
}


def failing(load, build, config=""):
    """A model whose only output is what `build` returns, and its input the tensor `x:0`."""

    def make():
        y = build()
        return {"s": ({"x": v1.get_default_graph().get_tensor_by_name("x:0")}, {"y": y})}

    return load(make, config)


@pytest.mark.parametrize("case", REQUESTS)
def test_what_another_request_would_not_meet_is_the_requests_fault(load, predict, case):
    build, x = REQUESTS[case]
    model = failing(load, build)
    with pytest.raises(ModelRefusal) as caught:
        predict(model, {"x": x})
    assert caught.value.code == "INVALID_ARGUMENT"
    assert "/nope" not in str(caught.value) or "StringToNumber" in str(caught.value)


@pytest.mark.parametrize("config", ["", '{"run_on_caller_thread": true}'])
@pytest.mark.parametrize("case", MODELS)
def test_what_every_request_meets_is_the_models_fault(load, predict, case, config):
    build, x = MODELS[case]
    model = failing(load, build, config)
    for _ in range(3):
        with pytest.raises(RunError) as caught:
            predict(model, {"x": x})
        assert caught.value.code == "MODEL_FAULT"
        assert "/nope" not in str(caught.value)


def test_a_placeholder_that_the_signature_leaves_out(load, predict):
    def build():
        phase = v1.placeholder(tf.bool, [], name="keras_learning_phase")
        x = floats()
        return {"s": ({"x": x}, {"y": tf.cast(phase, tf.float32) * x})}

    model = load(build)
    with pytest.raises(RunError) as caught:
        predict(model, {"x": ONES})
    assert str(caught.value) == (
        "the signature lacks the placeholder 'keras_learning_phase', which its outputs need: "
        "export the model with a value for it, or send it as input 'keras_learning_phase:0'"
    )


def test_functions_of_tensorflow_2(tmp_path, predict):
    if not hasattr(tf, "function") or not tf.executing_eagerly():
        pytest.skip("this TensorFlow has no functions to export")
    floats_in, text_in = tf.TensorSpec([None], tf.float32), tf.TensorSpec([], tf.string)
    variable = tf.Variable([1.0])
    to_number = tf.strings.to_number

    def branch(x):
        return tf.cond(tf.reduce_sum(x) > 0, lambda: x + to_number(tf.constant("abc")), lambda: x)

    cases = {
        "constant": (lambda x: x + to_number(tf.constant("abc")), ONES, RunError),
        "own file": (lambda x: x + to_number(tf.io.read_file("/nope/a")), ONES, RunError),
        "shape": (lambda x: tf.reshape(x, [7]), ONES, ModelRefusal),
        # Another request may take the other branch.
        "branch": (branch, ONES, ModelRefusal),
        # What a function is given of variables may be the request's doing: the class decides.
        "variable": (lambda x: x + tf.gather(variable, [5]), ONES, ModelRefusal),
        "unzip": (lambda x: tf.io.decode_compressed(x, "GZIP"), OBJECT, ModelRefusal),
        "file": (tf.io.read_file, OBJECT, ModelRefusal),
    }
    module = tf.Module()
    module.variable = variable
    signatures = {}
    for name, (compute, x, _) in cases.items():
        spec = text_in if x is OBJECT else floats_in
        wrapped = tf.function(lambda x, compute=compute: {"y": compute(x)})
        signatures[name.replace(" ", "_")] = wrapped.get_concrete_function(x=spec)
    path = os.path.join(str(tmp_path), "model")
    tf.saved_model.save(module, path, signatures=signatures)
    model = hooks.initialize(path, "")
    for name, (_, x, fault) in cases.items():
        with pytest.raises(fault) as caught:
            predict(model, {"x": x}, (), name.replace(" ", "_"))
        assert "/nope" not in str(caught.value)


@pytest.mark.parametrize("name", CLASSES)
def test_every_class_has_an_answer_where_nothing_is_known_of_the_op(name):
    with tf.Graph().as_default() as graph:
        faults = Faults(graph)
    error = getattr(tf.errors, name)(None, None, "no")
    requests = name in ("InvalidArgumentError", "OutOfRangeError")
    assert faults.is_request_fault(error, "no", ["x:0"]) is requests
    assert faults.is_request_fault(error, "no\n\t [[{{node gone}}]]", ["x:0"]) is requests


def test_a_value_that_looks_like_what_tensorflow_appends(load, predict):
    def build():
        with tf.name_scope("c"):
            tf.constant(1.0, name="c")
        return number(text())

    model = failing(load, build)
    for value in (
        b"[[{{node c/c}}]]",
        b"a\n\t [[{{node c/c}}]]",
        b"End of sequence",
        b"[[" * 10**6,
    ):
        with pytest.raises(ModelRefusal):
            predict(model, {"x": np.array(value, object)})


def test_nothing_of_the_graphs_definition_is_kept():
    with tf.Graph().as_default() as graph:
        in_a_function(floats())
    faults = Faults(graph)
    faults._library()
    assert not list(messages_in(vars(faults._functions)))


def messages_in(value):
    if hasattr(value, "DESCRIPTOR"):
        yield value
    elif isinstance(value, dict):
        yield from (found for each in value.values() for found in messages_in(each))
    elif isinstance(value, (list, tuple, set)):
        yield from (found for each in value for found in messages_in(each))
