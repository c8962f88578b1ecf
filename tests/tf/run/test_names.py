import numpy as np
import pytest
from fixtures import need

need.module("tensorflow")

import eas_wire as wire
from eas_processor.tf import hooks
from eas_processor.tf.errors import BadRequest, RunError
from eas_processor.tf.runtime import tf, v1

pytestmark = pytest.mark.medium

ONE = np.array([[1.0, 2.0]], np.float32)


def two_outputs():
    x = v1.placeholder(tf.float32, [None, 2], name="x")
    keep = v1.placeholder_with_default(1.0, [], name="keep")
    hidden = tf.multiply(x, keep, name="hidden")
    double = tf.multiply(hidden, 2.0, name="double")
    total = tf.reduce_sum(hidden, axis=1, name="total")
    ids = tf.cast(total, tf.uint32, name="ids")
    count = v1.get_variable("count", [], initializer=v1.zeros_initializer(), use_resource=False)
    v1.assign_add(count, 1.0, name="bump")
    return {
        "plain": ({"x": x}, {"double": double, "total": total}),
        "with_ids": ({"x": x}, {"double": double, "ids": ids}),
    }


@pytest.fixture
def model(load):
    return load(two_outputs, '{"signature_name": "plain"}')


@pytest.mark.parametrize(
    "inputs, output_filter, expected",
    [
        ({"x": ONE}, [], {"double": [[2, 4]], "total": [3]}),
        ({"x": ONE}, ["total"], {"total": [3]}),
        ({"x:0": ONE}, ["double:0"], {"double:0": [[2, 4]]}),
        ({"x": ONE}, ["double", "double:0"], {"double": [[2, 4]], "double:0": [[2, 4]]}),
        ({"x": ONE, "keep:0": np.float32(3).reshape(())}, ["total"], {"total": [9]}),
        ({"hidden:0": ONE}, ["double:0"], {"double:0": [[2, 4]]}),
        ({"x": ONE}, ["x:0"], {"x:0": [[1, 2]]}),
    ],
)
def test_names(model, predict, inputs, output_filter, expected):
    outputs = predict(model, inputs, output_filter)
    assert {name: array.tolist() for name, array in outputs.items()} == expected


TAKES = ": signature 'plain' takes 'x' DT_FLOAT [-1, 2]"
GIVES = ": signature 'plain' returns 'double' DT_FLOAT [-1, 2], 'total' DT_FLOAT [-1]"


@pytest.mark.parametrize(
    "inputs, output_filter, sentence",
    [
        ({}, ["double"], "missing input 'x'" + TAKES),
        ({"hidden:0": ONE}, ["double"], "missing input 'x'" + TAKES),
        ({"x": ONE, "y": ONE}, [], "unexpected input 'y'" + TAKES),
        ({"x": ONE, "y:0": ONE}, [], "unexpected input 'y:0'" + TAKES),
        ({"x": ONE, "keep": ONE}, [], "unexpected input 'keep'" + TAKES),
        ({"x": ONE, "x:0": ONE}, [], "inputs 'x' and 'x:0' are the same: send one of them"),
        ({"x": ONE}, ["z"], "unknown output 'z'" + GIVES),
        ({"x": ONE}, ["z:0"], "unknown output 'z:0'" + GIVES),
        ({"x": ONE}, ["total", "double", "total"], "output_filter names 'total' twice"),
        (
            {"x:0": ONE[0]},
            ["double:0"],
            "input 'x:0': expected DT_FLOAT [-1, 2], got DT_FLOAT [2] with 2 values",
        ),
    ],
)
def test_refusals(model, predict, inputs, output_filter, sentence):
    with pytest.raises(BadRequest) as caught:
        predict(model, inputs, output_filter)
    assert str(caught.value) == sentence


@pytest.mark.parametrize("output_filter", [[], ["ids"], ["double", "ids"], ["ids:0"]])
def test_an_output_that_a_response_cannot_carry(model, predict, output_filter):
    with pytest.raises(BadRequest) as caught:
        predict(model, {"x": ONE}, output_filter, "with_ids")
    name = "ids:0" if output_filter == ["ids:0"] else "ids"
    assert str(caught.value) == (
        f"output '{name}' is DT_UINT32, which a response cannot carry; "
        "name others in output_filter: 'double'"
    )


def test_the_other_outputs_are_there(model, predict):
    assert list(predict(model, {"x": ONE}, ["double"], "with_ids")) == ["double"]


@pytest.mark.parametrize("name", ["save/control_dependency:0", "bump:0", "count/Assign:0"])
def test_no_request_writes_files_or_variables_by_tensor_name(model, predict, name):
    with pytest.raises(BadRequest, match=f"output '{name}' cannot be fetched by tensor name"):
        predict(model, {"x": ONE}, [name])


def test_a_variable_can_be_read_by_tensor_name(model, predict):
    assert predict(model, {}, ["count:0"])["count:0"] == 0


def test_a_signature_may_count_its_calls(load, predict):
    def counting():
        x = v1.placeholder(tf.float32, [None], name="x")
        count = v1.get_variable("count", [], initializer=v1.zeros_initializer(), use_resource=False)
        return {"count": ({"x": x}, {"calls": v1.assign_add(count, 1.0)})}

    model = load(counting)
    calls = [predict(model, {"x": ONE[0]})["calls"].item() for _ in range(12)]
    assert calls == list(range(1, 13))


def test_a_signature_that_names_no_tensor_is_the_models_fault(load, predict):
    def edit(meta):
        meta.signature_def["plain"].outputs["total"].name = "total"

    model = load(two_outputs, edit=edit)
    with pytest.raises(
        RunError, match="output 'total' is the tensor 'total', which the graph does"
    ):
        predict(model, {"x": ONE})
    assert predict(model, {"x": ONE}, ["double"])["double"].tolist() == [[2, 4]]


def test_a_sparse_input_is_sent_as_its_three_tensors(load, predict):
    def total():
        x = v1.sparse_placeholder(tf.float32, [None, 4], name="x")
        return {"sum": ({"x": x}, {"total": v1.sparse_reduce_sum(x, axis=1)})}

    model = load(total)
    with pytest.raises(
        BadRequest, match="input 'x' is a sparse tensor: name its indices"
    ) as caught:
        predict(model, {"x": ONE})
    parts = str(caught.value).split("instead, ")[1].replace("'", "").split(", ")
    values = [
        np.array([[0, 1], [1, 3]]),
        np.array([5, 7], np.float32),
        np.array([2, 4]),
    ]
    output = model.default_signature.outputs["total"].tensor_name
    outputs = predict(model, dict(zip(parts, values)), [output])
    assert outputs[output].tolist() == [5, 7]


def test_a_frozen_graph(save_graph, predict):
    def build():
        x = v1.placeholder(tf.float32, [None, 2], name="x")
        tf.multiply(x, 2.0, name="y")

    model = hooks.initialize(save_graph(build), "")
    for given in ("x", "x:0"):
        for asked in ("y", "y:0"):
            assert predict(model, {given: ONE}, [asked], "any")[asked].tolist() == [[2, 4]]
    with pytest.raises(BadRequest) as caught:
        predict(model, {"x": ONE})
    assert str(caught.value) == "Must specify at least one target to fetch or execute."
    with pytest.raises(BadRequest, match="unexpected input 'images': this graph has no signature"):
        predict(model, {"images": ONE}, ["y"])
    with pytest.raises(BadRequest, match="unknown output 'scores': this graph has no signature"):
        predict(model, {"x": ONE}, ["scores"])
    with pytest.raises(BadRequest, match=r"You must feed a value for placeholder tensor 'x'"):
        predict(model, {}, ["y"])
    with pytest.raises(BadRequest, match=r"input 'x': expected DT_FLOAT \[-1, 2\], got DT_INT32"):
        predict(model, {"x": wire.Tensor(wire.DT_INT32, ONE.astype(np.int32))}, ["y"])


LONG = "n" * 4096


@pytest.mark.parametrize(
    "inputs, output_filter, signature_name",
    [
        ({LONG: ONE}, [], ""),
        ({"x": ONE}, [LONG], ""),
        ({"x": ONE}, [], LONG),
    ],
)
def test_a_refusal_does_not_repeat_a_long_name(
    model, predict, inputs, output_filter, signature_name
):
    with pytest.raises(BadRequest) as refused:
        predict(model, inputs, output_filter, signature_name)
    assert "'" + "n" * 77 + "...'" in str(refused.value)
    assert len(str(refused.value)) < 300


def test_of_a_signature_with_many_inputs_a_refusal_lists_ten(load, predict):
    def many():
        inputs = {f"x{at:02}": v1.placeholder(tf.float32, [], f"x{at}") for at in range(25)}
        return {"serving_default": (inputs, {"y": sum(inputs.values())})}

    with pytest.raises(BadRequest) as refused:
        predict(load(many), {"x00": np.array(1, np.float32)})
    assert "missing inputs 'x01', " in str(refused.value)
    assert "'x10' and 14 more: signature 'serving_default' takes 'x00' DT_FLOAT []" in str(
        refused.value
    )
    assert str(refused.value).endswith("'x09' DT_FLOAT [] and 15 more")


def test_a_refusal_does_not_repeat_a_long_shape(model, predict):
    with pytest.raises(BadRequest) as refused:
        predict(model, {"x": np.zeros([1] * 31 + [0], np.float32)})
    assert "got DT_FLOAT [1, 1, 1, " in str(refused.value)
    assert "... with 0 values" in str(refused.value)
