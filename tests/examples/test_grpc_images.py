from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from fixtures.grpc_servers import grpcio_server
from fixtures.serving_messages import new, parsed, tensor
from PIL import Image

from eas_processor.bench.target import PREDICT

SCRIPT = Path(__file__).parents[2] / "examples" / "grpc_images" / "client.py"


class Colours:
    """A model whose scores are the means of red, green and blue; it counts requests by rows."""

    def __init__(self, *, as_content: bool) -> None:
        self.as_content = as_content
        self.asked: Counter[int] = Counter()

    def __call__(self, method: str, message: bytes, context: Any) -> bytes:
        assert method == PREDICT
        metadata = dict(context.invocation_metadata())
        if metadata.get("authorization") != "secret":
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "the token is missing")
        request = parsed("PredictRequest", message)
        assert request.model_spec.name == "colours"
        ((key, images),) = ((each.key, each.value) for each in request.inputs)
        assert key == "images" and images.dtype == 1
        shape = [dim.size for dim in images.tensor_shape.dim]
        assert shape[1:] == [8, 8, 3]
        self.asked[shape[0]] += 1
        means = np.frombuffer(images.tensor_content, np.float32).reshape(shape).mean(axis=(1, 2))
        values = (
            {"tensor_content": means.astype(np.float32).tobytes()}
            if self.as_content
            else {"float_val": means.ravel().tolist()}
        )
        output = new("InputsEntry", key="scores", value=tensor(1, means.shape, **values))
        return bytes(new("PredictResponse", outputs=[output]).SerializeToString())


def run(address: str, *arguments: str, token: str = "secret") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, SCRIPT, address, *arguments, "--model", "colours", "--input", "images"],
        env=os.environ | {"EAS_TOKEN": token},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def images(tmp_path: Path) -> list[str]:
    paths = []
    for name, colour in (("blue", (0, 0, 200)), ("red", (250, 0, 0)), ("green", (10, 99, 20))):
        paths.append(str(tmp_path / f"{name}.png"))
        Image.new("RGB", (20, 10), colour).save(paths[-1])
    return paths


@pytest.mark.parametrize("as_content", [True, False])
def test_images_are_classified_in_batches(images: list[str], as_content: bool) -> None:
    model = Colours(as_content=as_content)
    with grpcio_server(model) as target:
        done = run(target.authority, *images, "--size", "8", "--batch", "2")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[:3] == [
        "blue.png: class 2, score 200.0000",
        "red.png: class 0, score 250.0000",
        "green.png: class 1, score 99.0000",
    ]
    assert "3 images in 2 requests" in done.stdout
    assert model.asked == {2: 1, 1: 1}


def test_a_refusal_is_shown(images: list[str]) -> None:
    with grpcio_server(Colours(as_content=True)) as target:
        done = run(target.authority, *images, "--size", "8", token="other")
    assert done.returncode == 1
    assert "UNAUTHENTICATED: the token is missing" in done.stderr


def test_it_needs_no_tensorflow() -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(SCRIPT.parent)!r}); import client;"
        "sys.exit(any(name.startswith('tensorflow') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
