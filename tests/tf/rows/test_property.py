"""With random graphs, a batch has the same answers as single requests."""

import numpy as np
import pytest
from fixtures import need
from fixtures.repeated import times

need.module("tensorflow")

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import eas_wire as wire
from eas_processor.tf import hooks
from eas_processor.tf.config import read_model_config
from eas_processor.tf.model.signatures import Signature, TensorSpec
from eas_processor.tf.run.graph_runner import GraphRunner
from eas_processor.tf.run.model import Model
from eas_processor.tf.runtime import tf, v1

pytestmark = pytest.mark.medium

# Each takes a source of choices and the tensors so far, of float32, and makes one more. Whole
# numbers, which are exact in any order of computing.


def number(draw, low=-2, high=3):
    return draw(st.integers(low, high))


def rank_of(tensor):
    return tensor.shape.ndims if tensor.shape.ndims is not None else 2


def axis_of(draw, tensor):
    return number(draw, -rank_of(tensor), max(0, rank_of(tensor) - 1))


def constant(draw, *_):
    shape = draw(st.lists(st.integers(1, 4), max_size=2))
    return tf.constant(np.arange(np.prod(shape, dtype=int)).reshape(shape) % 3, tf.float32)


def rows_by_columns(tensor):
    return tf.reshape(tensor, [v1.shape(tensor)[0], -1])


def flat(tensor):
    return tf.reshape(tensor, [-1])


def as_float(tensor):
    return tf.cast(tensor, tf.float32)


def weights(draw, height):
    return tf.constant(np.arange(height * 2).reshape(height, 2) % 5, tf.float32)


UNARY = {
    "relu": lambda draw, x: tf.nn.relu(x),
    "double": lambda draw, x: x * 2.0,
    "less": lambda draw, x: 1.0 - x,
    "zeros": lambda draw, x: tf.zeros_like(x),
    "identity": lambda draw, x: tf.identity(x),
    "undeclared": lambda draw, x: v1.placeholder_with_default(x, None),
    "declared by row": lambda draw, x: v1.placeholder_with_default(x, [None] * rank_of(x)),
    "compare": lambda draw, x: as_float(tf.less(x, 1.0)),
    "clip": lambda draw, x: tf.clip_by_value(x, -1.0, 2.0),
    "plus constant": lambda draw, x: x + constant(draw),
    "plus position": lambda draw, x: x + as_float(tf.range(v1.shape(x)[number(draw, 0, 1)])),
    "by count": lambda draw, x: x * as_float(v1.shape(x)[0]),
    "reshape to columns": lambda draw, x: tf.reshape(x, [-1, number(draw, 1, 4)]),
    "reshape to blocks": lambda draw, x: tf.reshape(
        x, [-1, number(draw, 1, 3), number(draw, 1, 3)]
    ),
    "reshape by rows": lambda draw, x: rows_by_columns(x),
    "reshape by rows and size": lambda draw, x: tf.reshape(
        x, [v1.shape(x)[0] * number(draw, 1, 2), number(draw, 1, 3)]
    ),
    "reshape by columns": lambda draw, x: tf.reshape(x, [v1.shape(x)[-1], -1]),
    "reshape all": lambda draw, x: flat(x),
    "reshape like": lambda draw, x: tf.reshape(x, v1.shape(x)),
    "to steps and back": lambda draw, x: tf.reshape(tf.reshape(x, [-1, 2]), [-1, 3]) * 2.0,
    "transpose": lambda draw, x: tf.transpose(x, draw(st.permutations(range(rank_of(x))))),
    "transpose twice": lambda draw, x: tf.transpose(tf.transpose(x) + 1.0),
    "sum": lambda draw, x: tf.reduce_sum(x, axis=axis_of(draw, x)),
    "sum kept": lambda draw, x: tf.reduce_sum(x, axis=axis_of(draw, x), keepdims=True),
    "sum of all": lambda draw, x: tf.reduce_sum(x),
    "maximum": lambda draw, x: tf.reduce_max(x, axis=axis_of(draw, x)),
    "argmax": lambda draw, x: as_float(tf.argmax(x, axis=axis_of(draw, x))),
    "minus the mean": lambda draw, x: x - tf.reduce_sum(x, axis=axis_of(draw, x), keepdims=True),
    "cumsum": lambda draw, x: tf.cumsum(x, axis=axis_of(draw, x)),
    "reverse": lambda draw, x: tf.reverse(x, [axis_of(draw, x)]),
    "expand": lambda draw, x: tf.expand_dims(x, axis_of(draw, x)),
    "squeeze": lambda draw, x: tf.squeeze(x),
    "squeeze one": lambda draw, x: tf.squeeze(x, [axis_of(draw, x)]),
    "tile": lambda draw, x: tf.tile(x, [number(draw, 1, 2) for _ in range(rank_of(x))]),
    "tile a constant": lambda draw, x: tf.tile(
        tf.constant([[1.0, 2.0]] * number(draw, 1, 3)), [v1.shape(x)[0], 1]
    ),
    "fill": lambda draw, x: tf.fill([v1.shape(x)[number(draw, 0, 1)], 2], 3.0),
    "fill turned": lambda draw, x: tf.fill([2, v1.shape(x)[0]], 3.0),
    "range": lambda draw, x: as_float(tf.range(v1.shape(x)[0])),
    "range of all": lambda draw, x: as_float(tf.range(tf.size(x))),
    "shape": lambda draw, x: as_float(v1.shape(x)),
    "pad": lambda draw, x: tf.pad(
        x, [[number(draw, 0, 1), number(draw, 0, 1)] for _ in range(rank_of(x))]
    ),
    "one row less": lambda draw, x: x[1:],
    "two rows": lambda draw, x: x[:2],
    "every second": lambda draw, x: x[::2],
    "backwards": lambda draw, x: x[::-1],
    "first row": lambda draw, x: x[0],
    "first column": lambda draw, x: x[:, 0],
    "last, through dots": lambda draw, x: x[..., -1],
    "columns": lambda draw, x: x[:, 1:],
    "new axis": lambda draw, x: x[:, None],
    "new first axis": lambda draw, x: x[None],
    "slice": lambda draw, x: tf.slice(
        x, [0] * rank_of(x), [number(draw, 1, 2)] + [-1] * (rank_of(x) - 1)
    ),
    "slice by rows": lambda draw, x: tf.slice(
        x, [0] * rank_of(x), [-1] + [number(draw, 1, 2)] * (rank_of(x) - 1)
    ),
    "lookup": lambda draw, x: tf.gather(
        constant(draw) + tf.zeros([3]),
        tf.cast(tf.clip_by_value(flat(x[:, :1]), 0.0, 0.0), tf.int32),
    ),
    "embed": lambda draw, x: tf.gather(
        tf.constant([[1.0, 2.0], [3.0, 4.0]]), tf.cast(tf.clip_by_value(x, 0.0, 1.0), tf.int32)
    ),
    "gather": lambda draw, x: tf.gather(x, [0, 0], axis=axis_of(draw, x)),
    "one hot": lambda draw, x: tf.one_hot(tf.cast(x, tf.int32), 3),
    "unique": lambda draw, x: tf.unique(flat(x))[0],
    "unique places": lambda draw, x: as_float(tf.unique(flat(x))[1]),
    "where": lambda draw, x: as_float(v1.where(tf.greater(x, 0.0))),
    "mask": lambda draw, x: tf.boolean_mask(x, tf.greater(x, 0.0)),
    "mask rows": lambda draw, x: tf.boolean_mask(x, tf.greater(tf.reduce_sum(x, axis=1), 0.0)),
    "partition": lambda draw, x: tf.dynamic_partition(x, tf.cast(tf.greater(x, 0.0), tf.int32), 2)[
        1
    ],
    "boxes": lambda draw, x: as_float(
        tf.image.non_max_suppression(
            tf.tile(tf.reduce_sum(x, axis=1, keepdims=True), [1, 4]) + [0.0, 0.0, 1.0, 1.0],
            tf.reduce_sum(x, axis=1),
            3,
        )
    ),
    "as many as the values say": lambda draw, x: tf.fill(
        [tf.cast(tf.reduce_max(tf.abs(x)), tf.int32)], 1.0
    ),
    "top": lambda draw, x: tf.nn.top_k(x, 1)[0],
    "unstack": lambda draw, x: tf.unstack(x[:, :1], num=1, axis=1)[0],
    "split": lambda draw, x: tf.split(x, 1, axis=axis_of(draw, x))[0],
    "matmul": lambda draw, x: tf.matmul(x, weights(draw, 3)),
    "matmul turned": lambda draw, x: tf.matmul(x, x, transpose_a=True),
    "pairs": lambda draw, x: tf.matmul(x, x, transpose_b=True),
    "steps": lambda draw, x: tf.map_fn(lambda row: row * 2.0, x),
    "steps of each step": lambda draw, x: tf.map_fn(
        lambda row: tf.map_fn(lambda each: each * 2.0, row), x
    ),
    "steps that see all": lambda draw, x: tf.map_fn(lambda row: row + tf.reduce_sum(x), x),
    "steps by value": lambda draw, x: tf.map_fn(
        lambda row: as_float(tf.size(tf.unique(flat(row))[0])), x
    ),
    "steps by place": lambda draw, x: tf.map_fn(
        lambda pair: pair[0] * as_float(pair[1]), (x, tf.range(v1.shape(x)[0])), dtype=tf.float32
    ),
    "steps of columns": lambda draw, x: tf.map_fn(tf.identity, tf.transpose(x)),
    "running sums": lambda draw, x: tf.scan(lambda before, row: before + row, x),
    "tile a range": lambda draw, x: tf.tile(
        as_float(tf.range(number(draw, 1, 3)))[None], [v1.shape(x)[0], number(draw, 1, 2)]
    ),
    "tile by rows both ways": lambda draw, x: tf.tile(
        as_float(tf.range(2))[None], [v1.shape(x)[0], v1.shape(x)[number(draw, 0, 1)]]
    ),
    "rounds": lambda draw, x: tf.while_loop(
        lambda at, _: at < 3, lambda at, y: (at + 1, y + 1.0), [0, x]
    )[1],
    "rounds by value": lambda draw, x: tf.while_loop(
        lambda at, y: tf.less(as_float(at) + tf.reduce_sum(y), 9.0),
        lambda at, y: (at + 1, y + 1.0),
        [0, x],
    )[1],
}

BINARY = {
    "add": lambda draw, x, y: x + y,
    "multiply": lambda draw, x, y: x * y,
    "select": lambda draw, x, y: v1.where(tf.greater(x, y), x, y),
    "concatenate": lambda draw, x, y: tf.concat([x, y], axis_of(draw, x)),
    "stack": lambda draw, x, y: tf.stack([x, y], axis_of(draw, x)),
    "product": lambda draw, x, y: tf.matmul(x, y),
}

FIRST = {
    "constant": constant,
    "a table of any size": lambda draw, *_: v1.placeholder_with_default(constant(draw), None),
}


def build(draw, columns):
    """Make a graph from random choices, and return its signature."""
    x = v1.placeholder(tf.float32, [None, columns], name="x")
    tensors = [x]
    for _ in range(draw(st.integers(1, 5))):
        kinds = [*UNARY] * 2 + [*BINARY] * 4 + [*FIRST]
        kind = draw(st.sampled_from(kinds))
        # The last one is taken more often, so that graphs are deep.
        one, other = (draw(st.sampled_from(tensors + [tensors[-1]] * 3)) for _ in range(2))
        try:
            if kind in UNARY:
                made = UNARY[kind](draw, one)
            else:
                made = {**BINARY, **FIRST}[kind](draw, one, other)
        except (ValueError, TypeError, IndexError, tf.errors.InvalidArgumentError):
            continue  # the shapes do not fit
        tensors.append(made)
    outputs = {"y": tensors[-1]}
    if draw(st.booleans()):
        outputs["z"] = draw(st.sampled_from(tensors))
    specs = {name: spec(name, tensor) for name, tensor in outputs.items()}
    return Signature("serving_default", "", {"x": spec("x", x)}, specs)


def spec(name, tensor):
    shape = None
    if tensor.shape.ndims is not None:
        shape = tuple(-1 if size is None else size for size in tensor.shape.as_list())
    return TensorSpec(name, tensor.name, tensor.dtype.as_datatype_enum, shape)


def lone(model, body):
    try:
        return hooks.process(model, body)
    except Exception as error:
        return error


def alike(one, other):
    if isinstance(one, bytes) and isinstance(other, bytes):
        return one == other
    return type(one) is type(other)


def sent(data, wide):
    """Draw the bodies of a batch of requests."""
    bodies = []
    for _ in range(data.draw(st.integers(1, 4))):
        rows = data.draw(st.sampled_from([1, 1, 1, 2, 3, 0]))
        count = rows * wide
        numbers = data.draw(st.lists(st.integers(-1, 4), min_size=count, max_size=count))
        values = np.array(numbers, np.float32).reshape(rows, wide)
        request = wire.Request("", {"x": wire.Tensor(wire.DT_FLOAT, values)}, [])
        bodies.append(wire.encode_request(request))
    return bodies


def model_of(session, signatures, text):
    config = read_model_config(text)
    return Model(GraphRunner(session, signatures, "", config), signatures, config)


def compare(data, session, columns):
    signatures = {"serving_default": build(data.draw, columns)}
    config = data.draw(st.sampled_from(["", '{"allowed_batch_sizes": [4]}']))
    model = model_of(session, signatures, config)
    reference = model_of(session, signatures, "")
    wide = data.draw(st.integers(1, 4)) if columns is None else columns
    for _ in range(3):
        bodies = sent(data, wide)
        expected = [lone(reference, body) for body in bodies]
        answers = hooks.batch_process(model, bodies)
        nodes = session.graph.as_graph_def().node
        for body, answer, wanted in zip(bodies, answers, expected):
            graph = [(node.name, node.op, list(node.input)) for node in nodes]
            assert alike(answer, wanted), (wire.decode_request(body), answer, wanted, graph)


@settings(
    max_examples=times(60), deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)
@given(st.data())
def test_a_batch_answers_what_each_request_gets_alone(data):
    with tf.Graph().as_default() as graph, v1.Session(graph=graph) as session:
        compare(data, session, data.draw(st.sampled_from([None, 1, 2, 3])))
