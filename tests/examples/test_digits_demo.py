from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from fixtures import need

from eas_prediction import PredictClient
from eas_prediction.testing import Answer, FakeTransport, SentRequest, tf_answer
from eas_wire import decode_request

need.module("sklearn")
FOLDER = Path(__file__).parents[2] / "examples" / "digits"


@pytest.fixture
def demo(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(FOLDER))
    return importlib.import_module("demo")


def test_the_client_half_counts_what_the_service_sees(
    demo: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    # The stub sees the digit in the place of an image's one white pixel; the last label is wrong.
    labels = np.arange(6)
    images = np.eye(6, 784, dtype=np.float32)

    def answer(sent: SentRequest) -> Answer:
        request = decode_request(sent.body)
        assert request.output_filter == ["scores"]
        return tf_answer({"scores": request.inputs["images"].array[:, :10].astype(np.float32)})

    digits = demo.Digits(images, images, labels, np.array([0, 1, 2, 3, 4, 9]))
    client = PredictClient("nowhere", "digits", transport=FakeTransport(answer))
    answers, seconds = demo.call(client, digits)
    assert answers.tolist() == labels.tolist() and len(seconds) == 6
    assert demo.report(digits, answers, seconds) == pytest.approx(5 / 6)
    assert "accuracy: 0.833" in capsys.readouterr().out
