import os
import threading

import pytest
from fixtures import need

need.module("tensorflow")

from eas_processor.tf.errors import ModelConfigError
from eas_processor.tf.runtime import tf, v1
from eas_processor.tf.start import pin


def of_images():
    images = v1.placeholder(tf.float32, [None, 784], name="images")
    names = v1.placeholder(tf.string, [None], name="names")
    scores = tf.identity(images * 2.0, name="scores")
    same = tf.identity(names, name="same")
    return {"s": ({"images": images, "names": names}, {"scores": scores, "same": same})}


def of_no_zeros():
    x = v1.placeholder(tf.int32, [1], name="x")
    y = tf.gather(tf.constant([1.0]), x - 5, name="y")
    return {"s": ({"x": x}, {"y": y})}


def test_enable_warm_up_runs_a_request_of_zeros_after_loading(load, caplog):
    caplog.set_level("INFO")
    load(of_images, '{"enable_warm_up": true}')
    assert "model_config.enable_warm_up: a request of zeros took " in caplog.text


def test_without_it_nothing_is_run(load, caplog):
    caplog.set_level("INFO")
    load(of_images, "")
    assert "a request of zeros" not in caplog.text


def test_a_model_that_refuses_zeros_is_served_all_the_same(load, caplog):
    assert load(of_no_zeros, '{"enable_warm_up": true}') is not None
    assert "the model refuses a request of zeros: " in caplog.text


def test_enable_warm_up_of_a_frozen_graph_says_why_not(data, caplog):
    from eas_processor.tf import hooks

    hooks.initialize(data + "/tf1_frozen.pb", '{"enable_warm_up": true}')
    assert "this model has no signature to make a request from" in caplog.text


def in_a_thread(cpus):
    """Pin a thread; return the cores that it and a thread started by it may use."""
    found = []

    def look():
        try:
            pin(cpus)
        except ModelConfigError as error:
            found.append(str(error))
            return
        found.append(os.sched_getaffinity(0))
        later = threading.Thread(target=lambda: found.append(os.sched_getaffinity(0)))
        later.start()
        later.join()

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    return found


def test_cpusets_pin_the_thread_and_those_that_it_starts():
    before = os.sched_getaffinity(0)
    cpu = min(before)
    assert in_a_thread(frozenset([cpu, 9999])) == [{cpu}, {cpu}]
    assert in_a_thread(frozenset()) == [before, before]
    assert os.sched_getaffinity(0) == before


def test_cores_that_the_process_may_not_use_are_refused():
    (said,) = in_a_thread(frozenset([9999]))
    assert said.startswith(
        "model_config.cpusets: this process may use none of these cores; it may use "
    )


def test_a_service_with_such_cores_does_not_start(load):
    with pytest.raises(ModelConfigError):
        load(of_images, '{"cpusets": "9999"}')
