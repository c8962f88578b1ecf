import json
import os
import pathlib

import numpy as np
import pytest
from fixtures import need

need.module("tensorflow")

import eas_wire as wire
from eas_processor.tf import hooks
from eas_processor.tf.errors import BadRequest, ModelConfigError, ModelRefusal, RunError
from eas_processor.tf.runtime import tf, v1

IMAGES = np.ones((2, 784), np.float32)


def digits():
    images = v1.placeholder(tf.float32, [None, 784], name="images")
    scores = tf.matmul(images, tf.ones([784, 10]) / 784, name="scores")
    return {"predict_images": ({"images": images}, {"scores": scores})}


def test_process_answers_from_every_kind_of_buffer(load, request_of):
    model = load(digits)
    body = request_of({"images": IMAGES}, ["scores"], "predict_images")
    answers = {hooks.process(model, kind(body)) for kind in (bytes, bytearray, memoryview)}
    (answer,) = answers
    assert np.allclose(wire.decode_response(answer)["scores"].array, np.ones((2, 10)))


def test_the_signature_is_shown(load):
    assert hooks.get_serving_model_info(load(digits)) == (
        b'{"signature_name": "predict_images", '
        b'"inputs": [{"name": "images", "shape": [-1, 784], "type": "DT_FLOAT"}], '
        b'"outputs": [{"name": "scores", "shape": [-1, 10], "type": "DT_FLOAT"}]}'
    )


def test_the_signature_shown_is_the_configured_one(load):
    def two():
        (sides,) = digits().values()
        return {"serving_default": sides, "other": sides}

    info = hooks.get_serving_model_info(load(two, '{"signature_name": "other"}'))
    assert json.loads(info.decode())["signature_name"] == "other"


def test_an_empty_request_asks_for_the_signature(load, request_of):
    model = load(digits)
    info = hooks.get_serving_model_info(model)
    assert {hooks.process(model, empty) for empty in (b"", memoryview(b""))} == {info}
    body = request_of({"images": IMAGES}, ["scores"], "predict_images")
    answer = hooks.process(model, body)
    assert hooks.batch_process(model, [body, b"", body]) == [answer, info, answer]


def test_an_empty_request_to_a_frozen_graph_is_refused(data):
    model = hooks.initialize(data + "/tf1_frozen.pb")
    with pytest.raises(BadRequest, match="this model has no signature to show"):
        hooks.process(model, b"")
    (refused,) = hooks.batch_process(model, [b""])
    assert isinstance(refused, BadRequest)


@pytest.mark.parametrize("config", [None, "", {}, {"tags": ("serve",)}, '{"tags": "serve"}'])
def test_a_path_and_every_kind_of_config(save_model, config):
    model = hooks.initialize(pathlib.Path(save_model(digits)), config)
    assert b"predict_images" in hooks.process(model, b"")


@pytest.mark.parametrize(
    "config, sentence",
    [
        (7, "model_config: expected a dict, JSON text or None, got int"),
        ({"tags": 7}, "model_config.tags: expected a list of tags, or one text with commas, got 7"),
    ],
)
def test_a_config_of_another_kind(save_model, config, sentence):
    with pytest.raises(ModelConfigError) as caught:
        hooks.initialize(save_model(digits), config)
    assert str(caught.value) == sentence


def test_the_page_on_hooks_does_what_it_says(save_model, monkeypatch, capsys):
    page = pathlib.Path(__file__).parents[2] / "docs" / "hooks.md"
    code = page.read_text(encoding="utf-8").partition("```python\n")[2].partition("```")[0]
    monkeypatch.chdir(os.path.dirname(save_model(digits)))
    exec(code, {})
    assert capsys.readouterr().out.startswith('{"signature_name": "predict_images"')


def test_a_frozen_graph_has_no_signature_to_show(data):
    model = hooks.initialize(data + "/tf1_frozen.pb", "")
    with pytest.raises(BadRequest, match="because it is a frozen graph: send its inputs by"):
        hooks.get_serving_model_info(model)


def test_what_a_frozen_graph_takes_and_gives_can_be_inferred(data, predict):
    path = data + "/tf1_frozen.pb"
    plain, model = hooks.initialize(path), hooks.initialize(path, {"infer_signature": True})
    info = json.loads(hooks.process(model, b"").decode())
    assert info == {
        "signature_name": "serving_default",
        "inputs": [{"name": "images", "shape": [-1, 4], "type": "DT_FLOAT"}],
        "outputs": [{"name": "scores", "shape": [-1, 3], "type": "DT_FLOAT"}],
    }
    images = {"images": IMAGES[:, :4]}
    scores = predict(plain, images, ["scores"])["scores"].tolist()
    # Each name that a request could have before, and none at all.
    for asked in (["scores"], ["scores:0"], []):
        (found,) = predict(model, images, asked, "any_name").values()
        assert found.tolist() == scores
    assert predict(model, {"images:0": IMAGES[:, :4]}, ["images"])["images"].shape == (2, 4)


def test_what_is_inferred_leaves_out_what_cannot_be_sent_or_only_writes(save_graph, predict):
    def graph():
        x = v1.placeholder(tf.float32, [None, 3], name="x")
        v1.placeholder(tf.float32, name="y")
        z = v1.placeholder_with_default(1.0, [], name="z")
        v1.placeholder(tf.resource, [], name="handle")
        tf.add(x, z, name="sum")
        v1.nn.top_k(x, 2, name="top")
        tf.constant(7.0, name="seven")
        v1.write_file("/gone/file", v1.as_string(tf.reduce_sum(x)), name="written")
        tf.cast(x, tf.bfloat16, name="half")

    model = hooks.initialize(save_graph(graph), {"infer_signature": "true"})
    info = json.loads(hooks.process(model, b"").decode())
    assert [each["name"] for each in info["inputs"]] == ["x", "y"]
    assert [each["name"] for each in info["outputs"]] == ["half", "sum", "top", "top:1"]
    assert predict(model, {"x": np.ones((1, 3), np.float32)}, ["sum"])["sum"].tolist() == [[2] * 3]


def test_a_graph_of_which_nothing_can_be_told(save_graph, caplog):
    model = hooks.initialize(save_graph(lambda: tf.constant(7.0)), {"infer_signature": True})
    assert "infer_signature: the graph has no placeholders" in caplog.text
    with pytest.raises(BadRequest, match="this model has no signature to show"):
        hooks.process(model, b"")


def test_a_configured_signature_that_does_not_exist_ends_the_start(load):
    expected = "model_config.signature_name: expected one of 'predict_images', got 'x'"
    with pytest.raises(ModelConfigError, match=expected):
        load(digits, '{"signature_name": "x"}')


def test_what_does_not_fit_is_refused_before_the_run(load, request_of):
    body = request_of({"images": np.ones((1, 783), np.float32).astype(np.int32)})
    with pytest.raises(BadRequest) as caught:
        hooks.process(load(digits), body)
    assert str(caught.value) == (
        "input 'images': expected DT_FLOAT [-1, 784], got DT_INT32 [1, 783] with 783 values"
    )


def test_what_the_graph_refuses_is_the_requests_fault(load, request_of):
    model = load(digits, '{"strict_shapes": false}')
    with pytest.raises(ModelRefusal) as caught:
        hooks.process(model, request_of({"images": np.ones((1, 783), np.float32)}))
    assert caught.value.code == "INVALID_ARGUMENT"
    assert str(caught.value).startswith("the model refused the request: Matrix size-incompatible")
    assert "node" not in str(caught.value)


def test_what_is_wrong_with_the_model_is_not_the_requests_fault(load, request_of):
    def uninitialized():
        x = v1.placeholder(tf.float32, [None], name="x")
        variable = v1.get_local_variable("local", [], use_resource=False)
        return {"serving_default": ({"x": x}, {"y": x + variable})}

    with pytest.raises(RunError) as caught:
        hooks.process(load(uninitialized), request_of({"x": IMAGES[0]}))
    assert caught.value.code == "MODEL_FAULT"
    assert str(caught.value).startswith("the run failed: FailedPreconditionError: ")


def test_a_body_that_is_not_a_request(load):
    with pytest.raises(wire.WireError) as caught:
        hooks.process(load(digits), b"\xff\xff\xff")
    assert caught.value.code == "INVALID_ARGUMENT"


def test_scalars_and_empty_batches(load, predict):
    def scaled():
        x = v1.placeholder(tf.float32, [None, 2], name="x")
        factor = v1.placeholder(tf.float32, [], name="factor")
        y = x * factor
        return {"serving_default": ({"x": x, "factor": factor}, {"y": y, "sum": v1.reduce_sum(y)})}

    model = load(scaled)
    factor = np.array(3, np.float32)
    outputs = predict(model, {"x": np.ones((1, 2), np.float32), "factor": factor})
    assert outputs["sum"].shape == ()
    assert outputs["sum"].item() == 6
    outputs = predict(model, {"x": np.ones((0, 2), np.float32), "factor": factor})
    assert outputs["y"].shape == (0, 2)
