"""The vendor's own client against a real service, and its answers against TensorFlow's."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from e2e import models
from e2e.conftest import EASCMD, Served
from vendor import run_script, vendors_python

from eas_prediction import AsyncPredictClient, PredictClient, TFRequest

# In the shape of the documentation's scripts; what is printed is for the test.
PREDICTIONS = """
import json, sys
import numpy
from eas_prediction import PredictClient, StringRequest, TFRequest

address, service, token, path = sys.argv[1:]
images = numpy.load(path)
client = PredictClient(address, service)
client.set_token(token)
client.init()
print(client.predict(StringRequest("")).response_data.decode())
for image in images:
    request = TFRequest("predict_images")
    request.add_feed("images", [1, 784], TFRequest.DT_FLOAT, image.tolist())
    request.add_fetch("scores")
    response = client.predict(request)
    assert response.get_tensor_shape("scores") == [1, 10]
    print(json.dumps(list(response.get_values("scores"))))
client.destroy()
"""

REFUSED = """
import sys
from eas_prediction import PredictClient, PredictException, StringRequest

client = PredictClient(sys.argv[1], sys.argv[2])
client.set_token(sys.argv[3])
client.init()
try:
    client.predict(StringRequest("x"))
except PredictException as error:
    print(error)
"""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def python() -> Path:
    return vendors_python()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return models.save_linear(tmp_path_factory.mktemp("model") / "linear")


@pytest.mark.parametrize("token", [None, ""], ids=["with a token", "public"])
def test_a_thousand_predictions(
    serve: Callable[..., Served], python: Path, model: Path, tmp_path: Path, token: str | None
) -> None:
    served = serve(model, **({} if token is None else {"token": token}))
    assert bool(served.token) is (token is None)
    images = np.random.default_rng(4).normal(size=(1000, 784)).astype(np.float32)
    np.save(tmp_path / "images.npy", images)
    output = run_script(
        python, PREDICTIONS, served.address, served.name, served.token, tmp_path / "images.npy"
    )
    signature, *answers = map(json.loads, output.splitlines())
    assert signature["signature_name"] == "predict_images"
    # One by one: TensorFlow adds up in another order when it runs a batch.
    feeds = [{"images": image[None]} for image in images]
    directly = models.run_saved_model_often(model, "predict_images", feeds)
    scores = np.concatenate([each["scores"] for each in directly])
    np.testing.assert_allclose(np.array(answers, np.float32), scores, rtol=0, atol=1e-6)
    assert len(answers) == 1000
    if token is None:
        assert "Code: 401" in run_script(python, REFUSED, served.address, served.name, "wrong")


DIRECTLY = """
import sys, time
from eas_prediction import ENDPOINT_TYPE_DIRECT, PredictClient, TFRequest

client = PredictClient(sys.argv[1], sys.argv[2])
client.set_endpoint_type(ENDPOINT_TYPE_DIRECT)
client.set_token(sys.argv[3])
client.init()
request = TFRequest("predict_images")
request.add_feed("images", [1, 784], TFRequest.DT_FLOAT, [0.5] * 784)
for _ in range(40):
    response = client.predict(request)
print(list(response.get_values("scores")))
client.destroy()
"""


def test_direct_connection_to_two_engines(
    serve: Callable[..., Served], python: Path, model: Path
) -> None:
    two = serve(model, token="t")
    peer = two.address.removeprefix("http://")
    one = serve(model, token="t", networking={"peers": [peer]})
    ours = sys.executable
    answers = [
        run_script(each, DIRECTLY, one.address.removeprefix("http://"), one.name, "t")
        for each in (python, ours)
    ]
    assert answers[0] == answers[1]
    for engine in (one, two):
        metrics = urllib.request.urlopen(engine.address + "/metrics").read().decode()
        (count,) = re.findall(r'eas_requests_total{service="model",code="200"} (\d+)', metrics)
        assert int(count) == 40


def test_the_same_array_on_every_way_gives_the_same_to_the_bit(
    serve: Callable[..., Served], model: Path, tmp_path: Path
) -> None:
    served = serve(model, token="t")
    images = np.random.default_rng(5).normal(size=(3, 784)).astype(np.float32)
    np.save(tmp_path / "images.npy", images)
    request = TFRequest("predict_images")
    request.add_feed("images", images.shape, TFRequest.DT_FLOAT, images)

    async def ask() -> list[np.ndarray]:
        async with AsyncPredictClient(served.address, served.name, token="t") as client:
            (many,) = await client.predict_many([{"images": images}])
            return [many["scores"], (await client.predict(request)).numpy("scores")]

    with PredictClient(served.address, served.name, token="t") as client:
        answers = [
            client.predict(request).numpy("scores"),
            client.predict({"images": images})["scores"],
            client.predict_many([request])[0].numpy("scores"),
            *asyncio.run(ask()),
        ]
    output = tmp_path / "scores.npy"
    source = f"images=@{tmp_path / 'images.npy'}"
    command = [EASCMD, "predict", served.url, "--token", "t", "-i", source, "-o", output]
    subprocess.run(command, check=True, timeout=60)
    answers.append(np.load(output))
    assert len({each.tobytes() for each in answers}) == 1
