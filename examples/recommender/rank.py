"""
Rank items for one user, with one request that has a row for each candidate.

    python rank.py [http://127.0.0.1:8080 [TOKEN]]
"""

from __future__ import annotations

import os
import sys

import numpy as np

from eas_prediction import PredictClient, TFRequest

CANDIDATES = np.arange(1, 51)


def scores_of(client: PredictClient, user: int, history: list[int]) -> np.ndarray:
    """Return the score of each candidate for a user who has seen the items in `history`."""
    rows = len(CANDIDATES)
    request = TFRequest("serving_default")
    request.add_feed("user_id", [rows], TFRequest.DT_INT64, np.full(rows, user))
    request.add_feed("item_id", [rows], TFRequest.DT_INT64, CANDIDATES)
    request.add_feed(
        "history", [rows, len(history)], TFRequest.DT_INT64, np.tile(history, (rows, 1))
    )
    request.add_feed("hour", [rows], TFRequest.DT_INT32, np.full(rows, 20, np.int32))
    request.add_feed("price", [rows], TFRequest.DT_FLOAT, np.full(rows, 9.5, np.float32))
    request.add_fetch("score")
    return client.predict(request).numpy("score")


def main() -> None:
    """Print the five best items."""
    address = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8080"
    client = PredictClient(address, "recommender")
    client.set_token(sys.argv[2] if len(sys.argv) > 2 else os.environ.get("EAS_TOKEN", ""))
    client.init()
    scores = scores_of(client, user=42, history=[17, 3, 250])
    for item in CANDIDATES[np.argsort(-scores)][:5]:
        print(f"item {item:2}  score {scores[item - 1]:.3f}")
    client.destroy()


if __name__ == "__main__":
    main()
