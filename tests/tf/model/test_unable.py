"""Models with nodes that can never run are found at load, and answer 500."""

import os

import numpy as np
import pytest
from fixtures import need

need.module("tensorflow")

from tensorflow.python.framework import function
from tensorflow.python.ops import script_ops

from eas_processor.tf import hooks
from eas_processor.tf.errors import ModelError, RunError
from eas_processor.tf.model import unable as unable_module
from eas_processor.tf.runtime import tf, v1

ONES = np.ones(2, np.float32)


def python(x):
    return v1.py_func(lambda a: a, [x], tf.float32, name="decode/PyFunc")


def in_python():
    x = v1.placeholder(tf.float32, [None], name="x")
    return {"serving_default": ({"x": x}, {"y": tf.identity(python(x), name="y")})}


def refusal(path):
    with pytest.raises(ModelError) as caught:
        hooks.initialize(path, "")
    return str(caught.value)


def run_error(predict, model, *args):
    with pytest.raises(RunError) as caught:
        predict(model, *args)
    assert caught.value.code == "MODEL_FAULT"
    sentence = str(caught.value)
    assert "Traceback" not in sentence and "\n" not in sentence and "/site-packages" not in sentence
    return sentence


SAYS = (
    "it calls a Python function (the op 'PyFunc' named 'decode/PyFunc'), which is not in the "
    "model's file; write that step with TensorFlow's own ops and export the model again"
)


@pytest.mark.parametrize("frozen", [False, True])
def test_a_model_that_is_nothing_but_a_python_function_is_refused(save_model, save_graph, frozen):
    path = save_graph(in_python) if frozen else save_model(in_python)
    assert refusal(path) == f"the model at {path} cannot be served: {SAYS}"


def test_a_signature_without_python_is_served_beside_one_with(load, predict, caplog):
    def both():
        x = v1.placeholder(tf.float32, [None], name="x")
        # Such a graph is placed in parts, which share its variables.
        weight = v1.get_variable("weight", [], initializer=v1.ones_initializer())
        plain = {"y": tf.multiply(x * weight, 2.0, name="y")}
        return {"plain": ({"x": x}, plain), "python": ({"x": x}, {"z": python(x), **plain})}

    model = load(both)
    assert "signature 'python': the model cannot compute the outputs 'z': " + SAYS in caplog.text
    assert predict(model, {"x": ONES}, (), "plain")["y"].tolist() == [2, 2]
    assert predict(model, {"x": ONES}, ["y"], "python")["y"].tolist() == [2, 2]
    for names in ((), ["z"], ["z", "y"]):
        assert run_error(predict, model, {"x": ONES}, names, "python") == (
            "the model cannot compute output 'z': " + SAYS
        )


def test_a_frozen_graph_serves_what_is_before_its_python_function(save_graph, predict, caplog):
    def build():
        y = tf.multiply(v1.placeholder(tf.float32, [None], name="x"), 2.0, name="y")
        tf.identity(python(y), name="z")

    model = hooks.initialize(save_graph(build), "")
    assert "cannot compute all of its outputs: it calls a Python function" in caplog.text
    assert predict(model, {"x": ONES}, ["y"])["y"].tolist() == [2, 2]
    run_error(predict, model, {"x": ONES}, ["z"])
    # What comes after it is computed where its result is fed instead.
    assert predict(model, {"decode/PyFunc:0": ONES}, ["z"])["z"].tolist() == [1, 1]


def test_a_python_function_that_is_waited_for(save_graph, predict):
    def build():
        x = v1.placeholder(tf.float32, [None], name="x")
        tf.multiply(x, 2.0, name="y")
        with tf.control_dependencies([python(x)]):
            tf.identity(x, name="z")

    model = hooks.initialize(save_graph(build), "")
    predict(model, {"x": ONES}, ["y"])
    assert "Python function" in run_error(predict, model, {"x": ONES}, ["z"])


def test_a_python_function_within_functions(save_graph, predict):
    def build():
        @function.Defun(tf.float32)
        def inner(a):
            return v1.py_func(lambda b: b, [a], tf.float32)

        @function.Defun(tf.float32)
        def outer(a):
            return inner(a) + 1.0

        x = v1.placeholder(tf.float32, [None], name="x")
        tf.multiply(x, 2.0, name="y")
        tf.identity(outer(x), name="z")

    model = hooks.initialize(save_graph(build), "")
    assert predict(model, {"x": ONES}, ["y"])["y"].tolist() == [2, 2]
    assert "Python function (the op 'PyFunc'" in run_error(predict, model, {"x": ONES}, ["z"])


def test_a_python_function_in_a_loop(save_graph, predict):
    def build():
        x = v1.placeholder(tf.float32, [None], name="x")
        tf.multiply(x, 2.0, name="y")

        def body(i, a):
            a = v1.py_func(lambda b: b, [a], tf.float32)
            a.set_shape([None])
            return i + 1, a

        tf.identity(v1.while_loop(lambda i, _: i < 3, body, [0, x])[1], name="z")

    model = hooks.initialize(save_graph(build), "")
    predict(model, {"x": ONES}, ["y"])
    run_error(predict, model, {"x": ONES}, ["z"])


def test_a_branch_that_is_not_taken_may_be_python(load, predict):
    def choose():
        x = v1.placeholder(tf.float32, [None], name="x")
        return {
            "s": ({"x": x}, {"y": v1.cond(tf.reduce_sum(x) < 0, lambda: python(x), lambda: x * 2)})
        }

    model = load(choose)
    assert predict(model, {"x": ONES})["y"].tolist() == [2, 2]
    script_ops._py_funcs._funcs.clear()  # those of the process that exports
    assert run_error(predict, model, {"x": -ONES}) == (
        "the model calls a Python function, which is not in its file; write that step with "
        "TensorFlow's own ops and export the model again"
    )


def test_a_python_function_that_is_run_at_load(tmp_path):
    path = str(tmp_path / "model")
    with tf.Graph().as_default() as graph, v1.Session(graph=graph) as session:
        x = v1.placeholder(tf.float32, [None], name="x")
        info = v1.saved_model.utils.build_tensor_info
        signature = v1.saved_model.signature_def_utils.build_signature_def(
            {"x": info(x)}, {"y": info(x * 2.0)}, "predict"
        )
        builder = v1.saved_model.builder.SavedModelBuilder(path)
        init = tf.group(python(tf.constant([1.0])))
        builder.add_meta_graph_and_variables(session, ["serve"], {"s": signature}, main_op=init)
        builder.save()
    script_ops._py_funcs._funcs.clear()
    assert refusal(path).startswith(
        f"cannot load the model at {path}: an op that it runs at load calls a Python function"
    )


@pytest.mark.parametrize("kind", ["numpy_function", "py_function"])
def test_a_python_function_of_tensorflow_2(tmp_path, predict, kind):
    if not hasattr(tf, "numpy_function") or not tf.executing_eagerly():
        pytest.skip("this TensorFlow has no functions to export")

    class Both(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
        def python(self, x):
            return {"z": getattr(tf, kind)(lambda a: a, [x], tf.float32)}

        @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
        def plain(self, x):
            return {"y": x * 2.0}

    both = Both()
    path = os.path.join(str(tmp_path), "both")
    tf.saved_model.save(both, path, signatures={"python": both.python, "plain": both.plain})
    model = hooks.initialize(path, "")
    assert predict(model, {"x": ONES}, (), "plain")["y"].tolist() == [2, 2]
    assert "Python function" in run_error(predict, model, {"x": ONES}, (), "python")
    path = os.path.join(str(tmp_path), "python")
    tf.saved_model.save(both, path, signatures={"python": both.python})
    assert "cannot be served: it calls a Python function" in refusal(path)


def test_an_op_without_a_kernel_for_the_devices_there_are(save_graph, predict):
    def build():
        x = v1.placeholder(tf.float32, [None], name="x")
        tf.multiply(x, 2.0, name="y")
        tf.constant(np.zeros((1, 1, 1, 1), np.int64), name="argmax")

    def edit(definition):
        # No build has it for CPUs.
        op = "MaxPoolGradGradWithArgmax"
        z = definition.node.add(name="z", op=op, input=["x", "x", "argmax"])
        z.attr["T"].type, z.attr["Targmax"].type = 1, 9
        z.attr["padding"].s = b"VALID"
        for name in ("ksize", "strides"):
            z.attr[name].list.i.extend([1, 1, 1, 1])
        definition.node[0].attr["shape"].shape.unknown_rank = True
        definition.node[0].attr["shape"].shape.ClearField("dim")

    model = hooks.initialize(save_graph(build, edit=edit), "")
    assert predict(model, {"x": ONES}, ["y"])["y"].tolist() == [2, 2]
    assert run_error(predict, model, {"x": ONES}, ["z"]).startswith(
        f"the model cannot compute output 'z': TensorFlow {tf.__version__} has no kernel for its "
        "op 'MaxPoolGradGradWithArgmax' (named 'z') on CPU"
    )


@pytest.mark.parametrize("used", [False, True])
def test_what_a_function_does_not_need_is_not_run(used):
    graph = v1.GraphDef()
    function = graph.library.function.add()
    function.signature.name = "f"
    function.node_def.add(name="unable", op="MaxPoolGradGradWithArgmax", input=["a"])
    function.node_def.add(name="sum", op="Identity", input=["unable:output:0" if used else "a"])
    function.ret["result"] = "sum:output:0"
    outer = graph.library.function.add()
    outer.signature.name = "g"
    outer.node_def.add(name="unused", op="Identity", input=["a"])
    outer.node_def.add(name="call", op="PartitionedCall", input=["a"]).attr["f"].func.name = "f"
    outer.ret["result"] = "call:output:0"
    graph.node.add(name="y", op="PartitionedCall").attr["f"].func.name = "g"
    assert list(unable_module.find_unable(graph, ["CPU"])) == (["y"] if used else [])


def test_ops_that_a_cpu_runs_are_not_taken_for_unable():
    graph = v1.GraphDef()
    for op in ("NoOp", "Assert", "IdentityN", "Enter", "Exit", "NextIteration", "AccumulateNV2"):
        graph.node.add(name=op, op=op)
    for op in ("MatMul", "Placeholder", "Const", "VarHandleOp", "LookupTableFindV2", "NoSuchOp"):
        graph.node.add(name=op, op=op)
    assert unable_module.find_unable(graph, ["CPU"]) == {}
