"""Inputs with a default value, which requests of TensorFlow Serving may omit."""

import json

import numpy as np
import pytest
from fixtures import need
from fixtures.serving_messages import parsed, predict_request, tensor

need.module("tensorflow")

import eas_wire as wire
from eas_processor.link.frames import TENSOR_PROTO
from eas_processor.tf import hooks
from eas_processor.tf.runtime import tf, v1


def scaled():
    x = v1.placeholder(tf.float32, [None, 1], name="x")
    factor = v1.placeholder(tf.float32, [], name="factor")
    shift = v1.placeholder(tf.float32, [None, 1], name="shift")
    inputs = {"x": x, "factor": factor, "shift": shift}
    return {"serving_default": (inputs, {"y": x * factor + shift})}


def with_defaults(meta_graph):
    defaults = meta_graph.signature_def["serving_default"].defaults
    defaults["factor"].CopyFrom(tf.make_tensor_proto(10.0))
    defaults["shift"].CopyFrom(tf.make_tensor_proto([[0.5]]))


@pytest.fixture
def load_with(load):
    """Load the model after a function has changed its graph."""
    from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef

    if "defaults" not in SignatureDef.DESCRIPTOR.fields_by_name:
        pytest.skip("signatures of this TensorFlow have no defaults")
    return lambda edit: load(scaled, edit=edit)


@pytest.fixture
def model(load_with):
    return load_with(with_defaults)


def body_of(rows, **others):
    x = tensor(wire.DT_FLOAT, [len(rows), 1], float_val=rows)
    return predict_request(x=x, **others).SerializeToString()


def values(answer):
    return list(parsed("PredictResponse", answer).outputs[0].value.float_val)


FACTOR = tensor(wire.DT_FLOAT, [], float_val=[2.0])
SHIFTS = tensor(wire.DT_FLOAT, [2, 1], float_val=[1.0, 2.0])


def test_alone(model):
    assert values(hooks.process(model, body_of([1.0]), TENSOR_PROTO)) == [10.5]
    assert values(hooks.process(model, body_of([1.0, 2.0]), TENSOR_PROTO)) == [10.5, 20.5]
    assert values(hooks.process(model, body_of([1.0], factor=FACTOR), TENSOR_PROTO)) == [2.5]


def test_requests_that_come_together_keep_their_own_values(model):
    bodies = [
        *(body_of([float(n)]) for n in range(4)),
        *(body_of([float(n)], factor=FACTOR) for n in range(4)),
        body_of([1.0, 2.0]),
        body_of([1.0, 2.0], shift=SHIFTS),
    ]
    for _ in range(3):  # the first prove that outputs come by row
        hooks.take_times()
        answers = hooks.batch_process(model, bodies, [TENSOR_PROTO] * len(bodies))
        found = [values(each) for each in answers]
        assert found[:8] == [[0.5], [10.5], [20.5], [30.5], [0.5], [2.5], [4.5], [6.5]]
        assert found[8:] == [[10.5, 20.5], [11.0, 22.0]]
    # The default shift has one row, so two rows with it run alone; the last joins the first four.
    assert sorted(hooks.take_times()[0]) == [1, 4, 6]


def test_requests_of_eas_name_every_input(model, request_of):
    with pytest.raises(Exception, match="missing inputs 'factor', 'shift'"):
        hooks.process(model, request_of({"x": np.float32([[1.0]])}))


def test_metadata_shows_them_in_full(model):
    shown = json.loads(hooks.get_model_metadata(model).decode())["serving_default"]["defaults"]
    assert shown["factor"]["dtype"] == "DT_FLOAT"
    assert shown["factor"]["float_val"] == [10.0]
    assert shown["shift"]["tensor_shape"]["dim"] == [{"size": "1", "name": ""}] * 2
    assert shown["shift"]["int_val"] == []


def test_a_default_that_cannot_be_read_is_none(load_with, caplog):
    def edit(meta_graph):
        with_defaults(meta_graph)
        meta_graph.signature_def["serving_default"].defaults["factor"].dtype = 20  # DT_RESOURCE

    model = load_with(edit)
    assert "the default of input 'factor' cannot be decoded" in caplog.text
    with pytest.raises(Exception, match=r"Missing but required: \{factor\}"):
        hooks.process(model, body_of([1.0]), TENSOR_PROTO)
