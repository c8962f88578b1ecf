"""Single requests that TensorFlow Serving's batching refuses."""

import json

import numpy as np
import pytest
from fixtures import need

need.module("tensorflow")

from eas_processor.link.frames import TFS_PREDICT_JSON
from eas_processor.tf import hooks
from eas_processor.tf.errors import BadRequest
from eas_processor.tf.runtime import tf, v1

LIMITED = '{"max_request_rows": 3, "refuse_scalar_inputs": true}'
TOO_LARGE = "Task size 4 is larger than maximum input batch size 3"
NO_ROWS = "Batching session Run() input tensors must have at least one dimension"


def doubled(shape=(None,)):
    x = v1.placeholder(tf.float32, shape, name="x")
    return {"serving_default": ({"x": x}, {"y": x * 2.0})}


def ones(*shape):
    return {"x": np.ones(shape, np.float32)}


def test_a_request_with_too_many_rows_is_refused_alone(load, batch, runs):
    good, bad, also_good = batch(load(doubled, LIMITED), ones(3), ones(4), ones(2))
    assert (type(bad), bad.code, str(bad)) == (BadRequest, "INVALID_ARGUMENT", TOO_LARGE)
    assert len(good["y"]) == 3 and len(also_good["y"]) == 2
    assert sum(runs) == 5


def test_all_of_a_stack_are_refused_where_each_has_too_many_rows(load, batch, runs):
    answers = batch(load(doubled, LIMITED), ones(4), ones(4))
    assert [str(each) for each in answers] == [TOO_LARGE] * 2 and answers[0] is not answers[1]
    assert runs == []


def test_a_lone_request_is_refused_as_well(load, request_of):
    with pytest.raises(BadRequest, match=TOO_LARGE):
        hooks.process(load(doubled, LIMITED), request_of(ones(4)))


def test_a_signature_whose_rows_are_fixed_has_no_limit(load, predict):
    model = load(lambda: doubled((4,)), LIMITED)
    assert predict(model, ones(4))["y"].tolist() == [2] * 4


@pytest.mark.parametrize("config, refused", [(LIMITED, True), ("", False)])
def test_scalars_are_refused_only_where_that_is_asked_for(load, config, refused):
    model = load(doubled, config)
    body = json.dumps({"inputs": 1.5}).encode()
    if refused:
        with pytest.raises(BadRequest) as caught:
            hooks.process(model, body, TFS_PREDICT_JSON)
        assert str(caught.value) == NO_ROWS
    else:
        answer = hooks.process(model, body, TFS_PREDICT_JSON)
        assert json.loads(answer.decode()) == {"outputs": 3.0}
