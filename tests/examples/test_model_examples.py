"""The examples of TensorFlow models: each is made, served and called as its README says."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from docs.examples import followed
from fixtures import need

from eas_prediction import PredictClient, TFRequest
from eas_prediction.exception import PredictException

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _tools() -> None:
    need.module("tensorflow")
    need.path_of("curl")


def test_the_recommender_ranks_items(tmp_path: Path) -> None:
    with followed("recommender", tmp_path) as reader:
        lines = reader.printed.splitlines()
    scores = [float(each.split()[-1]) for each in lines]
    assert len(lines) == 5
    assert scores == sorted(scores, reverse=True)
    assert 0 < scores[-1] <= scores[0] < 1


def test_strings_are_taken_as_they_are(tmp_path: Path) -> None:
    texts = ["The striker scored twice", "Shares fell again!", "", "Rain, wind and a warm bank"]
    with followed("strings", tmp_path) as reader:
        head = {"Authorization": reader.token, "Content-Type": "application/json"}
        body = json.dumps({"inputs": {"text": texts}}).encode()
        asked = Request(f"{reader.address}/api/predict/topics", body, head)
        with urlopen(asked, timeout=60) as response:
            answer = json.loads(response.read())
    assert answer["outputs"]["topic"] == ["sport", "business", "business", "weather"]
    assert answer["outputs"]["share"] == [1.0, 1.0, 0.0, 0.75]


def test_picture_files_are_classified(tmp_path: Path) -> None:
    with followed("image_classifier", tmp_path) as reader:
        lines = reader.printed.splitlines()
        client = PredictClient(reader.address, "shapes", token=reader.token)
        request = TFRequest("serving_default")
        request.add_feed("image", [1], TFRequest.DT_STRING, [b"no picture"])
        with client, pytest.raises(PredictException, match="Unknown image file format"):
            client.predict(request)
    assert all(0.5 < float(line.split()[-1]) <= 1 for line in lines)
