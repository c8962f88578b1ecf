"""
Compares this project's TensorFlow Serving REST with FastAPI, orjson and TensorFlow together.

    python -m benchmarks.rest [--parts rows image] [--rounds 10] [--seconds 2]

`rows` sends one row of 784 floats over 32 connections, the same bytes to all servers. `image` sends
an image of 150,528 numbers, one request at a time, and compares with the time in which orjson and
numpy alone read these numbers and write the answer. The servers run at the same time and are
loaded in turn.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import orjson

from benchmarks.console import tell
from benchmarks.contender import Endpoint
from benchmarks.in_turn import Figures, in_turn, ratio, ratio_text, table
from benchmarks.model_server import model_server, rest_body
from benchmarks.parts import Found, run_parts
from benchmarks.peers import PEERS, Peer, contenders

CONNECTIONS = 32
OURS, ALONE = "eas, batching", "orjson and numpy alone"
ROWS_GOAL, IMAGE_GOAL = 6.0, 2.5


def rows(work: Path, rounds: int, seconds: float) -> Found:
    """Measure requests/s of one row over 32 connections."""
    known = np.load(work / "rows.npz")
    row, scores = known["images"][:1], known["scores"][0]
    body = rest_body(row)
    members = [each for peer in _peers() for each in contenders(peer, work, row)]
    with contextlib.ExitStack() as stack:
        tell("starting the servers")
        ours = stack.enter_context(model_server(work / "mlp", row, work))
        running = {OURS: ours}
        for each in members:
            running[each.name] = stack.enter_context(each.start())
        for endpoint in running.values():
            endpoint.check(scores)
        sides = {name: _load(endpoint, body, seconds) for name, endpoint in running.items()}
        found = in_turn(sides, rounds, "rows")
    lines = table(found, [("throughput", "requests/s"), ("p50", "ms p50"), ("p99", "ms p99")])
    for name in sides:
        if name != OURS:
            times = ratio_text(ratio(found, "throughput", OURS, name))
            lines.append(f"  requests/s against {name}: {times}, to be at least {ROWS_GOAL:g}")
    return {"rows": found}, lines


def _peers() -> list[Peer]:
    """Return FastAPI with the model as each peer runs it, and as TensorFlow 2 documents it."""
    (peer,) = (each for each in PEERS if each.name == "FastAPI")
    documented = (("BENCH_CALL", "signature"),)
    return [peer, replace(peer, name="FastAPI with a tf.function", variables=documented)]


def _load(endpoint: Endpoint, body: bytes, seconds: float) -> Callable[[], Figures]:
    return lambda: vars(endpoint.load(CONNECTIONS, seconds, body))


def image(work: Path, rounds: int, seconds: float) -> Found:
    """Measure the latency of an image as JSON in ms, one request at a time."""
    pixels = np.random.default_rng(2).random((1, 224, 224, 3), dtype=np.float32)
    means = pixels.mean(axis=(1, 2))[0]
    body = rest_body(pixels)
    with model_server(work / "channels", pixels, work) as endpoint:
        endpoint.check(means)
        sides = {
            OURS: lambda: vars(endpoint.load(1, seconds)),
            ALONE: lambda: {"p50": _alone(body, means[None], seconds)},
        }
        found = in_turn(sides, rounds, "image")
    times = ratio_text(ratio(found, "p50", OURS, ALONE))
    lines = [
        f"  {len(body):,} bytes",
        *table(found, [("p50", "ms p50")]),
        f"  against {ALONE}: {times}, to be at most {IMAGE_GOAL:g}",
    ]
    return {"image": found}, lines


def _alone(body: bytes, answer: np.ndarray, seconds: float) -> float:
    """Return the median time of reading a body and writing an answer, in ms."""
    times = []
    end = time.perf_counter() + seconds
    while (begin := time.perf_counter()) < end:
        np.array(orjson.loads(body)["instances"], np.float32)
        orjson.dumps({"predictions": answer}, option=orjson.OPT_SERIALIZE_NUMPY)
        times.append(time.perf_counter() - begin)
    return float(np.median(times)) * 1000


PARTS = {"rows": rows, "image": image}


if __name__ == "__main__":
    sys.exit(run_parts("benchmarks.rest", __doc__, PARTS, ["--image"]))
