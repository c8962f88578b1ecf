import threading

import numpy as np
from fixtures import need

need.module("tensorflow")

import eas_wire as wire
from eas_processor.tf import hooks
from eas_processor.tf.run.model import MAX_PLANS
from eas_processor.tf.runtime import tf, v1


def doubled():
    x = v1.placeholder(tf.float32, [None], name="x")
    return {"serving_default": ({"x": x}, {"y": x * 2.0})}


def test_threads_share_a_model(load, request_of):
    model = load(doubled)
    wrong = []

    def work(number):
        x = np.full(3, number, np.float32)
        body = request_of({"x": x}, ["y"] if number % 2 else [])
        for _ in range(50):
            y = wire.decode_response(hooks.process(model, body))["y"].array
            if y.tolist() != [2 * number] * 3:
                wrong.append(y)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_plans_are_bounded_and_their_callables_released(load, predict):
    def many():
        x = v1.placeholder(tf.float32, [None], name="x")
        outputs = {f"y{n}": x + float(n) for n in range(MAX_PLANS + 6)}
        return {"serving_default": ({"x": x}, outputs)}

    model = load(many)
    for n in range(MAX_PLANS + 6):
        name = f"y{n}"
        assert predict(model, {"x": np.zeros(1, np.float32)}, [name])[name].tolist() == [n]
    assert len(model._plans) == MAX_PLANS
    assert len(model._runner._callables) == MAX_PLANS
    assert predict(model, {"x": np.zeros(1, np.float32)}, ["y0"])["y0"].tolist() == [0]


def test_the_same_tensors_by_other_names_share_a_callable(load, request_of):
    model = load(doubled)
    output = model.default_signature.outputs["y"].tensor_name
    x = np.ones(1, np.float32)
    for name in ("x", "x:0"):
        for output_filter in ([], ["y"], [output]):
            hooks.process(model, request_of({name: x}, output_filter))
    assert len(model._plans) == 6
    assert len(model._runner._callables) == 1
