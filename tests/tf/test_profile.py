import os
import sys
import tempfile

import numpy as np
import pytest
from fixtures import need

need.module("tensorflow")

from eas_processor.tf import hooks, profile
from eas_processor.tf.errors import ProcessorError
from eas_processor.tf.runtime import tf, v1

LEVELS = {"host_tracer_level": 2, "device_tracer_level": 1}


def doubled():
    x = v1.placeholder(tf.float32, [None, 4], name="x")
    return {"serving_default": ({"x": x}, {"y": tf.matmul(x, tf.eye(4) * 2, name="product")})}


def has_profiler():
    try:
        from tensorflow.python.profiler.internal import _pywrap_profiler  # noqa: F401
    except ImportError:
        return False
    return True


def test_a_profile_has_the_operations_that_ran_meanwhile(load, request_of, tmp_path, monkeypatch):
    if not has_profiler():
        pytest.skip("this TensorFlow has no profiler on demand")
    directory = tmp_path / "temporary"
    directory.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(directory))
    model = load(doubled)
    body = request_of({"x": np.ones((1, 4), np.float32)}, ["y"])
    for _ in range(2):
        collected = hooks.take_profile(model, LEVELS, lambda: hooks.process(model, body))
        assert b"product" in collected
    assert os.listdir(str(directory)) == []


def test_a_profile_while_nothing_ran_is_empty(load):
    if not has_profiler():
        pytest.skip("this TensorFlow has no profiler on demand")
    assert hooks.take_profile(load(doubled), LEVELS, lambda: None) == b""


def test_a_build_without_such_a_profiler_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow.python.profiler.internal", None)
    monkeypatch.setitem(sys.modules, "tensorflow.python.profiler.internal._pywrap_profiler", None)
    with pytest.raises(ProcessorError, match=r"TensorFlow 2\.3 or newer") as raised:
        hooks.take_profile(None, LEVELS, lambda: None)
    assert raised.value.code == "UNIMPLEMENTED"


@pytest.mark.parametrize(
    "space, expected",
    [
        (b"", False),
        (b"\x0a\x02\x08\x01", False),  # a plane with its id alone
        (b"\x0a\x04\x1a\x02\x08\x01", False),  # a line with its id alone
        (b"\x0a\x02\x08\x01\x0a\x04\x1a\x02\x22\x00", True),
        (b"\x22\x04host", False),  # a host's name
    ],
)
def test_a_space_without_an_event_is_seen_as_such(space, expected):
    assert profile.has_events(space) is expected
