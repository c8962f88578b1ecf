"""The models, the service files and the Python names that the documentation takes as given."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from docs.reader import ROOT
from e2e.models import save_linear, tf, v1
from fixtures.certificates import make_pair

import eas_prediction

TOKEN = "a-secret-of-the-pages"
_HALF_PLUS_TWO = ROOT / "tests" / "tf" / "data" / "tfs" / "saved_model_half_plus_two_cpu"
_QUICK = """
from eas_processor.hooks import arrays

def initialize(model_entry, model_config):
    return None

@arrays(inputs={"images": ("float32", [-1, 784])}, outputs={"scores": ("float32", [-1, 10])})
def process(model, images):
    return images[:, :10]
"""
"""A processor without TensorFlow, for services that a page starts and does not call."""


def write_files(here: Path) -> None:
    """Write the files that the pages name."""
    save_linear(here / "model")
    for copy in ("saved_model", "path/to/saved_model"):
        shutil.copytree(here / "model", here / copy)
    shutil.copytree(_HALF_PLUS_TWO, here / "models" / "half_plus_two")
    shutil.copytree(_HALF_PLUS_TWO / "00000123", here / "MODEL" / "1")
    _save_first_model(here / "models" / "first_model" / "0")
    np.save(here / "digits.npy", np.zeros((1, 784), np.float32))
    (here / "quick.py").write_text(_QUICK)
    (here / "services").mkdir()
    write_service(here / "service.json", "digits", model_path="model")
    write_service(here / "half_plus_two.json", "half_plus_two", model_path="models/half_plus_two")
    for file in ("digits.json", "pitch.json", "services/digits.json"):
        write_quick_service(here / file)
    make_pair(here, "company")


def write_quick_service(path: Path, **keys: Any) -> None:
    """Write the file of a service without TensorFlow, named like the file."""
    root = path.parent.parent if path.parent.name == "services" else path.parent
    write_service(path, path.stem, processor_path=str(root / "quick.py"), **keys)


def write_service(path: Path, name: str, **keys: Any) -> None:
    """Write a service file; `digits` has the token, others have none."""
    if "model_path" in keys:
        keys |= {"processor": "tensorflow_cpu", "frontends": ["eas", "tfs", "grpc"]}
    keys |= {"name": name, "token": TOKEN if name == "digits" else ""}
    path.write_text(json.dumps(keys))


def names_of_python(address: str) -> dict[str, Any]:
    """Return the names that blocks of Python use without defining them."""
    images = np.zeros((1, 784), np.float32)
    request = eas_prediction.TFRequest("predict_images")
    request.add_feed("images", [1, 784], request.DT_FLOAT, images)
    return {
        **{name: getattr(eas_prediction, name) for name in eas_prediction.__all__},
        "asyncio": asyncio,
        "images": images,
        "batches": [images, images],
        "request": request,
        "requests": [request, request],
        "client": eas_prediction.PredictClient(address, "digits", token=TOKEN),
        "best_class": lambda client: client.predict(request).numpy("scores").argmax(),
    }


def _save_first_model(directory: Path) -> None:
    """Write the model that the page about TensorFlow Serving inspects."""
    with v1.Session(graph=tf.Graph()) as session:
        features = v1.placeholder(tf.float32, [None, 31], name="input_1")
        scores = v1.reduce_sum(features, axis=1)
        v1.saved_model.simple_save(session, str(directory), {"input_1": features}, {"y": scores})
