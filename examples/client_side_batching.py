"""
Send many rows in one request: the fastest way to call a model whose rows are independent.

    eascmd serve digits/service.json       # in another terminal
    EAS_TOKEN=... python client_side_batching.py http://127.0.0.1:8080 digits

It sends the same 256 images as 256 requests, then as requests of 16 and of 256 rows, and prints the
rows per second. The answers are equal. Only the cost differs: a request has a fixed cost, and all
its rows share it.
"""

from __future__ import annotations

import os
import sys
import time

import numpy as np

from eas_prediction import PredictClient, TFRequest

ROWS = 256


def scores(client: PredictClient, images: np.ndarray) -> np.ndarray:
    """Return the scores of all `images`, which are sent in one request."""
    request = TFRequest("predict_images")
    request.add_feed("images", list(images.shape), TFRequest.DT_FLOAT, images)
    request.add_fetch("scores")
    return np.reshape(client.predict(request).get_values("scores"), (len(images), -1))


def in_batches(client: PredictClient, images: np.ndarray, size: int) -> np.ndarray:
    """Return the scores of all images, with `size` rows in each request."""
    parts = [images[start : start + size] for start in range(0, len(images), size)]
    return np.concatenate([scores(client, part) for part in parts])


def main() -> None:
    """Compare batch sizes."""
    if len(sys.argv) != 3:
        sys.exit("usage: EAS_TOKEN=... client_side_batching.py http://HOST:PORT SERVICE")
    address, name = sys.argv[1:]
    client = PredictClient(address, name)
    client.set_token(os.environ.get("EAS_TOKEN", ""))
    client.init()
    images = np.random.default_rng(0).random((ROWS, 784), dtype=np.float32)
    expected = in_batches(client, images, 1)
    for size in (1, 16, ROWS):
        start = time.perf_counter()
        answers = in_batches(client, images, size)
        seconds = time.perf_counter() - start
        np.testing.assert_allclose(answers, expected, rtol=1e-4, atol=1e-6)
        print(f"{size:4} rows per request: {ROWS / seconds:10,.0f} rows/s")


if __name__ == "__main__":
    main()
