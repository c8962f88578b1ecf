"""Small models for the services under test, and TensorFlow run directly beside them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tensorflow as tf

v1 = tf.compat.v1


def save_linear(directory: Path, *, scale: float = 1.0) -> Path:
    """Write a SavedModel whose `predict_images` takes `images` and returns `scores`."""
    weights = np.random.default_rng(0).normal(size=(784, 10)).astype(np.float32) * scale

    class Linear(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weights = tf.Variable(weights)

        @tf.function(input_signature=[tf.TensorSpec([None, 784], tf.float32, name="images")])
        def predict_images(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
            return {"scores": tf.nn.softmax(images @ self.weights)}

    model = Linear()
    tf.saved_model.save(model, str(directory), signatures={"predict_images": model.predict_images})
    return directory


def save_identity(directory: Path, dtypes: list[tf.DType]) -> Path:
    """Write a SavedModel that returns each input under its own name, `in_NAME` as `out_NAME`."""
    with v1.Session(graph=tf.Graph()) as session:
        inputs = {f"in_{t.name}": v1.placeholder(t, None, name=f"in_{t.name}") for t in dtypes}
        outputs = {name.replace("in_", "out_"): tf.identity(x) for name, x in inputs.items()}
        v1.saved_model.simple_save(session, str(directory), inputs, outputs)
    return directory


def run_saved_model(directory: Path, signature: str, feeds: dict[str, Any]) -> dict[str, Any]:
    """Return what TensorFlow itself answers: a v1 Session on the SavedModel in `directory`."""
    return run_saved_model_often(directory, signature, [feeds])[0]


def run_saved_model_often(
    directory: Path, signature: str, each: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Return what TensorFlow itself answers to these feeds, one after the other."""
    with v1.Session(graph=tf.Graph()) as session:
        meta = v1.saved_model.loader.load(session, ["serve"], str(directory))
        definition = meta.signature_def[signature]
        fetches = {alias: info.name for alias, info in definition.outputs.items()}
        return [
            session.run(fetches, {definition.inputs[k].name: v for k, v in feeds.items()})
            for feeds in each
        ]


def run_frozen_graph(path: Path, fetch: str, feeds: dict[str, Any]) -> Any:
    """Return what TensorFlow itself answers for a frozen graph."""
    graph = tf.Graph()
    definition = v1.GraphDef.FromString(path.read_bytes())
    with graph.as_default(), v1.Session(graph=graph) as session:
        tf.import_graph_def(definition, name="")
        return session.run(fetch, feeds)
