"""Our own service as a contender, and the floor below it."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import eas_wire as wire
from benchmarks.contender import HERE, Contender, Endpoint, free_port, server
from eas_processor.cli.bench_service import RunningService, running

SIGNATURE = "serving_default"
ROWS = {"3 KB": 1, "600 KB": 191, "8 MB": 2675}
"""The number of rows of 784 floats in each body."""


def make_models(work: Path, *options: str) -> None:
    """Write the models, and answers to known rows, into a directory."""
    script = [sys.executable, str(HERE / "servers" / "make_models.py"), str(work)]
    subprocess.run([*script, *options], check=True, capture_output=True)


def body(rows: np.ndarray) -> bytes:
    """Return a request for rows of images."""
    tensor = wire.Tensor(wire.DT_FLOAT, rows)
    return wire.encode_request(wire.Request(SIGNATURE, {"images": tensor}, []))


def big_body(rows: int) -> bytes:
    """Return a request of `rows` random images."""
    return body(np.random.default_rng(2).random((rows, 784), dtype=np.float32))


def read_scores(answer: bytes) -> np.ndarray:
    """Return the scores of an answer."""
    return np.asarray(wire.decode_response(answer)["scores"].array)


def service_file(model: Path, *, batching: bool, **metadata: Any) -> dict[str, Any]:
    """Return the service file of a row. Other keys have their defaults."""
    rpc = {"batching": True, "max_batch_size": 64} if batching else {}
    return {
        "name": "bench",
        "model_path": str(model),
        "processor": "tensorflow_cpu",
        "metadata": {"instance": 1, "cpu": 1, **metadata, "rpc": {"max_queue_size": 512, **rpc}},
    }


@contextlib.contextmanager
def serving(work: Path, content: dict[str, Any], *options: str) -> Iterator[RunningService]:
    """Serve a service file, written below `work`."""
    path = work / f"service-{free_port()}.json"
    path.write_text(json.dumps(content))
    with running(path, options) as service:
        yield service


def ours(work: Path, row: np.ndarray, *, batching: bool, inline: bool = False) -> Contender:
    """Return our service with one instance and one thread. `inline` has no worker process."""
    content = service_file(work / "mlp", batching=batching)
    options = ["--inline"] if inline else []

    @contextlib.contextmanager
    def start() -> Iterator[Endpoint]:
        with serving(work, content, *options) as service:
            yield Endpoint(service.url, body(row), read_scores, token=service.token)

    shown = content | {"model_path": "mlp"}
    name = f"eas{' inline' if inline else ''}, batching {'on' if batching else 'off'}"
    return Contender(name, " ".join([json.dumps(shown), *options]), start)


def echo(work: Path, row: np.ndarray) -> Contender:
    """Return the floor: a bare server that answers any body with 60 bytes."""

    def start() -> contextlib.AbstractContextManager[Endpoint]:
        port = free_port()
        command = [sys.executable, HERE / "servers" / "echo.py", str(port)]
        return server(command, Endpoint(f"http://127.0.0.1:{port}/", body(row)), work)

    return Contender("bare HTTP echo", "httptools and uvloop, no model", start)
