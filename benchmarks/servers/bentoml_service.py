"""A BentoML server, with arrays as JSON."""

import os

import bentoml
import numpy as np
from tf_model import load

BATCH = int(os.environ["BENCH_BATCH"])
API = {"batchable": True, "max_batch_size": BATCH, "max_latency_ms": 1000} if BATCH > 1 else {}


@bentoml.service(workers=1, logging={"access": {"enabled": False}})
class Mlp:
    """The model, with BentoML's decorators."""

    def __init__(self):
        self.model = load()

    @bentoml.api(**API)
    def predict(self, images: np.ndarray) -> np.ndarray:
        return self.model(images.astype(np.float32))
