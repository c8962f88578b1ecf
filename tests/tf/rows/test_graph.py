"""The graphs of usual models are followed from feeds to fetches."""

import numpy as np
import pytest
from fixtures import need

need.module("tensorflow")

import eas_wire as wire
from eas_processor.tf import hooks
from eas_processor.tf.runtime import tf, v1


def weights(*shape):
    return v1.get_variable("w{}".format(len(v1.global_variables())), shape)


def image():
    return v1.placeholder(tf.float32, [None, 8, 8, 3], name="x")


def vector():
    return v1.placeholder(tf.float32, [None, 6], name="x")


def steps(size=5):
    return v1.placeholder(tf.float32, [None, size, 6], name="x")


def perceptron():
    x = vector()
    h = tf.nn.relu(tf.nn.bias_add(tf.matmul(x, weights(6, 4)), weights(4)))
    return x, tf.nn.softmax(tf.matmul(h, weights(4, 3)) + weights(3))


def network():
    x = image()
    h = tf.nn.conv2d(x, weights(3, 3, 3, 4), strides=[1, 2, 2, 1], padding="VALID")
    h, _, _ = v1.nn.fused_batch_norm(
        h, weights(4), weights(4), weights(4), tf.abs(weights(4)), is_training=False
    )
    h = tf.nn.max_pool(h, [1, 2, 2, 1], [1, 1, 1, 1], "SAME")
    h = tf.pad(h, [[0, 0], [1, 1], [1, 1], [0, 0]])
    return x, tf.matmul(tf.reshape(h, [-1, 5 * 5 * 4]), weights(100, 2))


def residual():
    x = image()
    h = tf.nn.conv2d(x, weights(1, 1, 3, 3), strides=[1, 1, 1, 1], padding="SAME")
    h = tf.nn.relu6(h * weights(3) + x)
    return x, tf.reduce_mean(h, [1, 2])


def flattened_as_keras_does():
    x = image()
    return x, tf.matmul(tf.reshape(x, tf.stack([tf.shape(x)[0], 192])), weights(192, 2))


def embedded():
    x = v1.placeholder(tf.int32, [None, 5], name="x")
    h = tf.gather(weights(10, 4), x)
    return x, tf.reduce_max(h + weights(5, 4), axis=1)


def dense_on_steps():
    x = v1.placeholder(tf.float32, [None, None, 6], name="x")
    return x, tf.tensordot(x, weights(6, 2), axes=1)


def attention():
    x = steps()
    heads = tf.transpose(tf.reshape(x, [-1, 5, 2, 3]), [0, 2, 1, 3])
    scores = tf.nn.softmax(tf.matmul(heads, heads, transpose_b=True))
    mixed = tf.transpose(tf.matmul(scores, heads), [0, 2, 1, 3])
    return x, tf.reshape(mixed, [-1, 5, 6]) + x


def gate():
    x = vector()
    one, other = tf.split(tf.concat([x, x * 2.0], axis=1), 2, axis=-1)
    return x, tf.where(tf.greater(one, 0.0), one, tf.zeros_like(other)) * tf.sigmoid(other)


def classes():
    x = vector()
    names = tf.tile(tf.expand_dims(tf.constant(["a", "b"]), 0), [tf.shape(x)[0], 1])
    return x, names


def hot():
    x = v1.placeholder(tf.int64, [None, 2], name="x")
    return x, tf.reduce_sum(tf.one_hot(x, 4), axis=-2)


def best():
    x = vector()
    values, places = tf.nn.top_k(x, 2)
    return x, values + tf.cast(places, tf.float32) + tf.cast(tf.argmax(x, axis=1), tf.float32)[
        :, None
    ]


def branched():
    """A layer that differs in training, as Keras of TensorFlow 1 writes it."""
    x = vector()
    training = v1.placeholder_with_default(False, [])
    return x, v1.cond(training, lambda: x * 0.0, lambda: x + 1.0)


BY_ROW = [
    perceptron,
    network,
    residual,
    flattened_as_keras_does,
    embedded,
    dense_on_steps,
    attention,
    gate,
    classes,
    hot,
    best,
    branched,
]


def run_batch(load, build, monkeypatch, count=3):
    """Return the answers to requests for a model, one by one and as a batch, and its runs."""
    from eas_processor.tf.run.model import Model

    def signature():
        x, y = build()
        return {"serving_default": ({"x": x}, {"y": y})}

    model = load(signature)
    spec = model.default_signature.inputs["x"]
    shape = [5 if size < 0 else size for size in spec.shape]
    numbers = np.random.RandomState(1)
    dtype = wire.storage_dtype(spec.dtype)
    inputs = [
        wire.Tensor(spec.dtype, numbers.randint(0, 4, [each + 1] + shape[1:]).astype(dtype))
        for each in range(count)
    ]
    bodies = [wire.encode_request(wire.Request("", {"x": each}, [])) for each in inputs]
    alone = [hooks.process(model, body) for body in bodies]
    runs = []
    run = Model.run
    monkeypatch.setattr(Model, "run", lambda *args: runs.append(1) or run(*args))
    return alone, hooks.batch_process(model, bodies), len(runs)


def tensors(answer):
    return wire.decode_response(answer)["y"].array


@pytest.mark.parametrize("build", BY_ROW, ids=lambda build: build.__name__)
def test_a_usual_model_is_batched_from_its_first_batch_on(load, build, monkeypatch):
    alone, batched, runs = run_batch(load, build, monkeypatch)
    assert runs == 1
    for one, other in zip(alone, batched):
        if tensors(one).dtype == object:
            assert tensors(one).tolist() == tensors(other).tolist()
        else:
            np.testing.assert_allclose(tensors(one), tensors(other), rtol=1e-5, atol=1e-5)


def squeezed():
    x = vector()
    return x, tf.squeeze(tf.reduce_sum(x, axis=1, keepdims=True))


def trained():
    x = image()
    return x, v1.nn.fused_batch_norm(x, weights(3), weights(3), is_training=True)[0]


def written():
    x = vector()
    held = v1.get_variable("held", [6], use_resource=True)
    with tf.control_dependencies([held.assign(x[0])]):
        return x, x * held.read_value()


def written_reference():
    x = vector()
    held = v1.get_variable("held", [6], use_resource=False)
    with tf.control_dependencies([v1.assign(held, x[0])]):
        return x, tf.multiply(x, held._ref() if hasattr(held, "_ref") else held)


def branched_by_value():
    x = vector()
    return x, v1.cond(tf.reduce_sum(x) > 9.0, lambda: x * 2.0, lambda: x + 1.0)


def sliced():
    x = vector()
    return x, x[:2] * 1.0


def repeated():
    x = vector()
    return x, tf.tile(x, [1, 1])[::-1]


@pytest.mark.parametrize(
    "build",
    [squeezed, trained, written, written_reference, branched_by_value, sliced, repeated],
    ids=lambda build: build.__name__,
)
def test_a_model_that_mixes_rows_is_not_batched(load, build, monkeypatch):
    alone, batched, runs = run_batch(load, build, monkeypatch)
    assert runs == 3
    assert [bytes(each) for each in batched] == [bytes(each) for each in alone]


functions = pytest.mark.skipif(
    not hasattr(tf, "function") or not hasattr(v1, "enable_control_flow_v2"),
    reason="needs the functions of TensorFlow 2",
)


def called():
    x = vector()
    inner = tf.function(lambda value, factor: tf.nn.relu(value * factor) @ tf.ones([6, 2]))
    return x, tf.function(lambda value: inner(value, tf.constant(2.0)) + 1.0)(x)


def looped():
    """A recurrent layer as TensorFlow 2 writes it: steps first, in a list, and a loop."""
    x = steps()
    w = tf.ones([6, 6])

    @tf.function
    def layer(value):
        by_step = tf.TensorArray(tf.float32, 5).unstack(tf.transpose(value, [1, 0, 2]))
        out = tf.TensorArray(tf.float32, 5)
        state = tf.zeros([tf.shape(value)[0], 6])
        _, out, state = tf.while_loop(
            lambda at, *_: at < 5,
            lambda at, out, state: (
                at + 1,
                out.write(at, state),
                tf.tanh(by_step.read(at) + state @ w),
            ),
            [0, out, state],
        )
        return tf.transpose(out.stack(), [1, 0, 2]) + state[:, None]

    return x, layer(x)


def looped_by_value():
    x = vector()

    @tf.function
    def layer(value):
        return tf.while_loop(lambda y: tf.reduce_sum(y) < 99.0, lambda y: (y + 1.0,), [value])[0]

    return x, layer(x)


def unique_inside():
    x = vector()
    return x, tf.function(lambda value: tf.unique(value[:, 0])[0] * 2.0)(x)


@functions
@pytest.mark.parametrize(
    "build, runs",
    [(called, 1), (looped, 1), (looped_by_value, 3), (unique_inside, 3)],
    ids=["called", "looped", "looped by value", "unique"],
)
def test_functions_are_followed(load, build, runs, monkeypatch):
    alone, batched, seen = run_batch(load, build, monkeypatch)
    assert seen == runs
    for one, other in zip(alone, batched):
        np.testing.assert_allclose(tensors(one), tensors(other), rtol=1e-5)
