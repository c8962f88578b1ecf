from __future__ import annotations

import numpy as np
import pytest

from eas_prediction import PredictClient, PredictException, TFRequest
from eas_prediction.testing import FakeTransport, tf_answer


def test_answers_and_records():
    transport = FakeTransport(lambda sent: tf_answer({"scores": np.zeros([1, 2], np.float32)}))
    client = PredictClient("nowhere", "mnist", transport=transport)
    assert client.predict(TFRequest("s")).get_values("scores") == [0.0, 0.0]
    (sent,) = transport.requests
    assert (sent.method, sent.url, sent.body) == (
        "POST",
        "http://nowhere/api/predict/mnist",
        b"\n\x01s",
    )


def test_can_refuse():
    transport = FakeTransport(lambda sent: (400, {}, b"no"))
    with pytest.raises(PredictException, match="Code: 400, Message: no"):
        PredictClient("nowhere", "mnist", transport=transport).predict(TFRequest("s"))
