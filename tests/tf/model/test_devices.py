import os
from types import SimpleNamespace

import numpy as np
import pytest
from fixtures import need

need.module("tensorflow")

from eas_processor.tf import hooks
from eas_processor.tf.model.devices import Devices
from eas_processor.tf.runtime import tf, v1

ONES = np.ones(2, np.float32)


def machine(*names):
    """The devices of a machine, from TensorFlow's names for them."""
    listed = [
        SimpleNamespace(name=f"/job:localhost/replica:0/task:0/device:{name}") for name in names
    ]
    return Devices(SimpleNamespace(list_devices=lambda: listed))


@pytest.mark.parametrize(
    "device, here",
    [
        ("", ""),
        ("/device:CPU:0", "/device:CPU:0"),
        ("/device:CPU:*", "/device:CPU:*"),
        ("/cpu:0", "/cpu:0"),
        ("/device:GPU:0", "/device:GPU:0"),
        ("/job:localhost/replica:0/task:0/device:GPU:1",) * 2,
        ("/job:localhost",) * 2,
        ("/device:GPU:5", "/device:GPU:1"),
        ("/gpu:2", "/device:GPU:0"),
        ("/device:TPU:0", ""),
        ("/device:XLA_GPU:0", ""),
        ("/job:ps/replica:0/task:2", ""),
        ("/job:ps/task:0/device:CPU:0", "/device:CPU:0"),
        ("/job:worker/replica:0/task:3/device:GPU:7", "/device:GPU:1"),
        ("/job:localhost/task:1/device:GPU:0", "/device:GPU:0"),
        ("/job:worker/task:3/gpu:*", "/device:GPU"),
    ],
)
def test_what_a_machine_with_two_gpus_uses(device, here):
    assert machine("CPU:0", "GPU:0", "GPU:1").here(device) == here


@pytest.mark.parametrize("device", ["/device:GPU:0", "/gpu:0", "/job:worker/task:0/device:GPU:1"])
def test_a_machine_without_gpus_uses_any_device(device):
    assert machine("CPU:0").here(device) == ""


@pytest.mark.parametrize("device", ["/device:GPU:5", "/job:worker/replica:0/task:3/device:GPU:7"])
@pytest.mark.parametrize("frozen", [False, True])
def test_a_graph_of_a_gpu_machine_runs_here_and_the_log_says_what_moved(
    save_model, save_graph, predict, caplog, device, frozen
):
    def double():
        x = v1.placeholder(tf.float32, [None], name="x")
        return {"serving_default": ({"x": x}, {"y": tf.multiply(x, 2.0, name="y")})}

    def pin(definition):
        for node in definition.node:
            if node.name.startswith("y"):
                node.device = device

    if frozen:
        path = save_graph(double, edit=pin)
    else:
        path = save_model(double, edit=lambda meta: pin(meta.graph_def))
    model = hooks.initialize(path, "")
    assert predict(model, {"x": ONES}, ["y"])["y"].tolist() == [2, 2]
    (warning,) = [each.getMessage() for each in caplog.records if "moved" in each.getMessage()]
    assert warning.startswith(f"the model at {path} was exported on a machine with other devices")
    assert "CPU:0" in warning and f"2 ops of {device}" in warning


def test_a_function_that_is_pinned_to_a_cluster(tmp_path, predict, caplog):
    if not hasattr(tf, "function") or not tf.executing_eagerly():
        pytest.skip("this TensorFlow has no functions to export")

    class Doubler(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
        def double(self, x):
            with tf.device("/job:worker/task:1/device:GPU:3"):
                return {"y": x * 2.0}

    doubler = Doubler()
    path = os.path.join(str(tmp_path), "model")
    tf.saved_model.save(doubler, path, signatures={"double": doubler.double})
    assert predict(hooks.initialize(path, ""), {"x": ONES})["y"].tolist() == [2, 2]
    assert "/job:worker/task:1/device:GPU:3" in caplog.text


def test_nothing_is_said_of_a_graph_that_fits(load, caplog):
    def double():
        x = v1.placeholder(tf.float32, [None], name="x")
        with tf.device("/device:CPU:0"):
            return {"serving_default": ({"x": x}, {"y": x * 2.0})}

    load(double)
    assert "moved" not in caplog.text
