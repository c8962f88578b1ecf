"""Outputs for examples are checked in dtype and shape, in each encoding."""

import json

import numpy as np
import pytest
from fixtures.serving_messages import parsed

import eas_wire as wire
from eas_processor.codecs.errors import CodecError
from eas_processor.codecs.registry import find
from eas_processor.link.frames import (
    CLASSIFY_PROTO,
    REGRESS_PROTO,
    TFS_CLASSIFY_JSON,
    TFS_REGRESS_JSON,
)
from eas_wire import Tensor


def floats(values, dtype=np.float32, number=wire.DT_FLOAT):
    return Tensor(number, np.array(values, dtype))


def strings(values):
    return Tensor(wire.DT_STRING, np.array(values, object))


DOUBLE = floats([[1e300], [2.0]], np.float64, wire.DT_DOUBLE)


@pytest.mark.parametrize("codec", [REGRESS_PROTO, TFS_REGRESS_JSON])
@pytest.mark.parametrize(
    ("output", "said"),
    [
        (DOUBLE, "Expected output Tensor of DT_FLOAT. Got: DT_DOUBLE"),
        (
            Tensor(wire.DT_FLOAT, DOUBLE.array),
            "Expected output Tensor of DT_FLOAT. Got: float64",
        ),
        (strings([b"a", b"b"]), "Expected output Tensor of DT_FLOAT. Got: DT_STRING"),
        (floats([1.0]), "Expected output Tensor outputs to have a shape of [2], got [1]"),
    ],
)
def test_what_is_no_regression(codec, output, said):
    with pytest.raises(CodecError) as caught:
        find(codec).encode({"outputs": output}, 2)
    assert str(caught.value) == said
    assert caught.value.code == "INVALID_ARGUMENT"


@pytest.mark.parametrize("codec", [CLASSIFY_PROTO, TFS_CLASSIFY_JSON])
@pytest.mark.parametrize(
    ("outputs", "said"),
    [
        ({"scores": DOUBLE}, "Expected scores Tensor of DT_FLOAT. Got: DT_DOUBLE"),
        (
            {"classes": floats([[1.0], [2.0]])},
            "Expected classes Tensor of DT_STRING. Got: DT_FLOAT",
        ),
        (
            {"classes": strings([[b"a"], [b"b"]]), "scores": floats([[1, 2], [3, 4]])},
            "Expected class and score tensors of the same shape",
        ),
    ],
)
def test_what_is_no_classification(codec, outputs, said):
    with pytest.raises(CodecError) as caught:
        find(codec).encode(outputs, 2)
    assert str(caught.value) == said


def test_floats_whatever_the_signature_declares():
    output = {"outputs": floats([[1.5], [2.0]], number=wire.DT_DOUBLE)}
    answer = parsed("RegressionResponse", find(REGRESS_PROTO).encode(output, 2))
    assert [each.value for each in answer.result.regressions] == [1.5, 2.0]
    assert json.loads(find(TFS_REGRESS_JSON).encode(output, 2).decode()) == {"results": [1.5, 2.0]}
