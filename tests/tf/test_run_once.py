import os

import pytest
from fixtures import need

need.module("tensorflow")

from eas_processor.tf.errors import ModelError
from eas_processor.tf.run_once import run_once


def test_tensors_are_fed_with_their_dtype_and_fetched(data):
    model = os.path.join(data, "tf1_saved_model")
    (scores,) = run_once(model, ("serve",), {"images:0": [[1, 2, 3, 4]]}, ["scores:0"])
    assert (scores.shape, scores.dtype.name) == ((1, 3), "float32")


def test_what_does_not_fit_is_named(data):
    model = os.path.join(data, "tf1_saved_model")
    with pytest.raises(ModelError, match="images:0 takes float32: could not convert"):
        run_once(model, ("serve",), {"images:0": ["a"]}, ["scores:0"])
    with pytest.raises(ModelError, match="must feed a value for placeholder"):
        run_once(model, ("serve",), {}, ["scores:0"])
    with pytest.raises(ModelError, match="no graph with the tags 'x'"):
        run_once(model, ("x",), {}, ["scores:0"])
    with pytest.raises(ModelError, match="is a frozen graph"):
        run_once(os.path.join(data, "tf1_frozen.pb"), ("serve",), {}, ["scores:0"])
