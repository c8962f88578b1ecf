"""The examples of TensorFlow models: each is made, served and called as its README says."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from fixtures import need
from fixtures.many import EASCMD, Many

from eas_prediction import PredictClient, TFRequest
from eas_prediction.exception import PredictException

EXAMPLES = Path(__file__).parents[2] / "examples"
pytestmark = pytest.mark.slow


@contextmanager
def served(example: str, directory: Path) -> Iterator[tuple[Many, Path]]:
    need.module("tensorflow")
    copy = directory / example
    shutil.copytree(EXAMPLES / example, copy, ignore=shutil.ignore_patterns("build"))
    subprocess.run([sys.executable, "make_model.py"], cwd=copy, check=True, capture_output=True)
    engine = Many(directory / "home", copy / "service.json", program=EASCMD)
    try:
        yield engine, copy
    finally:
        engine.stop()


def test_the_recommender_ranks_items(tmp_path: Path) -> None:
    with served("recommender", tmp_path) as (engine, copy):
        host, port = engine.address
        command = [sys.executable, "rank.py", f"http://{host}:{port}", engine.token("recommender")]
        done = subprocess.run(command, cwd=copy, check=True, capture_output=True, text=True)
    lines = done.stdout.splitlines()
    scores = [float(each.split()[-1]) for each in lines]
    assert len(lines) == 5
    assert scores == sorted(scores, reverse=True)
    assert 0 < scores[-1] <= scores[0] < 1


def test_strings_are_taken_as_they_are(tmp_path: Path) -> None:
    texts = ["The striker scored twice", "Shares fell again!", "", "Rain, wind and a warm bank"]
    with served("strings", tmp_path) as (engine, _):
        host, port = engine.address
        with closing(http.client.HTTPConnection(host, port, timeout=60)) as connection:
            head = {"Authorization": engine.token("topics"), "Content-Type": "application/json"}
            body = json.dumps({"inputs": {"text": texts}})
            connection.request("POST", "/api/predict/topics", body.encode(), head)
            response = connection.getresponse()
            answer = json.loads(response.read())
    assert response.status == 200, answer
    assert answer["outputs"]["topic"] == ["sport", "business", "business", "weather"]
    assert answer["outputs"]["share"] == [1.0, 1.0, 0.0, 0.75]


def test_picture_files_are_classified(tmp_path: Path) -> None:
    names = ["circle.png", "square.png", "triangle.jpg"]
    with served("image_classifier", tmp_path) as (engine, copy):
        host, port = engine.address
        token = engine.token("shapes")
        done = subprocess.run(
            [sys.executable, "classify.py", "--server", f"http://{host}:{port}"]
            + [str(copy / "build" / name) for name in names],
            cwd=copy,
            env=os.environ | {"EAS_TOKEN": token},
            check=True,
            capture_output=True,
            text=True,
        )
        client = PredictClient(f"http://{host}:{port}", "shapes")
        client.set_token(token)
        request = TFRequest("serving_default")
        request.add_feed("image", [1], TFRequest.DT_STRING, [b"no picture"])
        with pytest.raises(PredictException, match="Unknown image file format"):
            client.predict(request)
        client.destroy()
    lines = done.stdout.splitlines()
    assert [line.split(", ")[0] for line in lines] == [
        "circle.png: circle",
        "square.png: square",
        "triangle.jpg: triangle",
    ]
    assert all(0.5 < float(line.split()[-1]) <= 1 for line in lines)
