"""What a person sees who serves a SavedModel: ready lines, answers, refusals, the end."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from e2e import models
from e2e.conftest import Served

from eas_prediction import PredictException, StringRequest, TFRequest

IMAGES = np.random.default_rng(1).random((3, 784), dtype=np.float32)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return models.save_linear(tmp_path_factory.mktemp("linear"))


@pytest.fixture(scope="module")
def served(serve: Callable[..., Served], model: Path, home: Path) -> Served:
    request = predict_images(IMAGES)
    warm_up = home / "warm_up.bin"
    warm_up.write_bytes(request.to_string())
    return serve(model, warm_up_data_path=str(warm_up))


def predict_images(images: np.ndarray) -> TFRequest:
    request = TFRequest("predict_images")
    request.add_feed("images", list(images.shape), TFRequest.DT_FLOAT, images)
    request.add_fetch("scores")
    return request


def http(url: str, body: bytes | None = None, token: str | None = None) -> tuple[int, str]:
    headers = {} if token is None else {"Authorization": token}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, headers)) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_answers_equal_tensorflow_run_directly(served: Served, model: Path) -> None:
    with served.client() as client:
        response = client.predict(predict_images(IMAGES))
    direct = models.run_saved_model(model, "predict_images", {"images": IMAGES})["scores"]
    assert response.get_tensor_shape("scores") == [3, 10]
    np.testing.assert_allclose(response.numpy("scores"), direct, atol=1e-6)


def test_an_empty_request_returns_the_signature(served: Served) -> None:
    expected = {
        "signature_name": "predict_images",
        "inputs": [{"name": "images", "shape": [-1, 784], "type": "DT_FLOAT"}],
        "outputs": [{"name": "scores", "shape": [-1, 10], "type": "DT_FLOAT"}],
    }
    for body in (None, b""):
        status, text = http(served.url, body, served.token)
        assert (status, json.loads(text)) == (200, expected)
    with served.client() as client:
        assert json.loads(client.predict(StringRequest("")).response_data) == expected


@pytest.mark.parametrize("form", ["inputs", "instances"])
def test_json_gives_the_same_answer(served: Served, form: str) -> None:
    body = {form: IMAGES.tolist() if form == "inputs" else [{"images": r.tolist()} for r in IMAGES]}
    status, text = http(served.url, json.dumps(body).encode(), served.token)
    assert status == 200
    answered = json.loads(text)["outputs" if form == "inputs" else "predictions"]
    with served.client() as client:
        scores = client.predict(predict_images(IMAGES)).numpy("scores")
    assert np.array(answered, dtype=np.float32).tobytes() == scores.tobytes()


def test_the_printed_curl_line_works_when_pasted(served: Served) -> None:
    curl = ["sh", "-c", served.event["curl"]]
    printed = subprocess.run(curl, capture_output=True, text=True, check=True).stdout
    assert json.loads(printed)["signature_name"] == "predict_images"


def test_the_printed_python_works_when_pasted(served: Served) -> None:
    printed = subprocess.run(
        [sys.executable, "-c", served.event["python"]], capture_output=True, text=True, check=True
    ).stdout
    assert "scores" in printed


def test_the_token_is_kept_in_a_private_file_and_not_printed(served: Served, home: Path) -> None:
    path = home / "tokens" / "model"
    assert path.read_text().strip() == served.token
    assert path.stat().st_mode & 0o777 == 0o600
    assert served.token not in served.printed


@pytest.mark.parametrize(
    ("path", "token", "status", "says"),
    [
        ("", "wrong", 401, "not the token"),
        ("", None, 401, "no token"),
        ("x", "right", 404, "there is no service 'modelx'"),
    ],
)
def test_who_is_not_let_in(
    served: Served, path: str, token: str | None, status: int, says: str
) -> None:
    given = served.token if token == "right" else token
    answer = http(served.url + path, b"x", given)
    assert answer[0] == status
    assert says in answer[1]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            {"inputs": ("images", [1, 783], TFRequest.DT_INT32, [0] * 783)},
            "input 'images': expected DT_FLOAT [-1, 784], got DT_INT32 [1, 783] with 783 values",
        ),
        ({"signature": "predict"}, "'predict_images'"),
        ({"inputs": ("image", [1, 784], TFRequest.DT_FLOAT, [0.0] * 784)}, "'images'"),
        ({"fetch": "score"}, "'scores'"),
    ],
)
def test_a_wrong_request_is_told_what_was_expected(
    served: Served, change: dict[str, object], says: str
) -> None:
    request = TFRequest(change.get("signature", "predict_images"))
    request.add_feed(*change.get("inputs", ("images", [1, 784], TFRequest.DT_FLOAT, [0.0] * 784)))
    request.add_fetch(change.get("fetch", "scores"))
    with served.client() as client, pytest.raises(PredictException) as refusal:
        client.predict(request)
    assert refusal.value.code == 400
    assert says in str(refusal.value)


def test_bytes_that_are_no_request_are_refused(served: Served) -> None:
    status, text = http(served.url, b"\xff\xff\xff", served.token)
    assert status == 400
    assert "PredictRequest" in text


def test_a_public_service_needs_no_token(serve: Callable[..., Served], model: Path) -> None:
    public = serve(model, token="")
    assert public.event["token_file"] is None
    assert http(public.url)[0] == 200


def test_a_given_token_is_used(serve: Callable[..., Served], model: Path) -> None:
    given = serve(model, token="given-token")
    assert given.token == "given-token"
    assert http(given.url, token="given-token")[0] == 200
    assert http(given.url, token="another")[0] == 401


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_nothing_left(
    serve: Callable[..., Served], model: Path, environment: dict[str, str], ending: int
) -> None:
    before = left_behind(environment)
    ended = serve(model)
    assert left_behind(environment) != before
    ended.process.send_signal(ending)
    ended.process.communicate(timeout=60)
    assert ended.process.returncode == 0
    assert left_behind(environment) == before


def left_behind(environment: dict[str, str]) -> set[str]:
    """Return the launchers and workers of this module's services, and their temporary files."""
    found = set(os.listdir(environment["TMPDIR"]))
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if environment["EAS_HOME"] in (process / "cmdline").read_text():
                found.add(process.name)
    return found
