"""This project's `tensorflow_model_server` with the models of the benchmarks."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import orjson

from benchmarks.contender import Endpoint, free_port, server

BATCHING = """\
max_batch_size { value: 64 }
batch_timeout_micros { value: 0 }
num_batch_threads { value: 1 }
"""
"""Greedy batching, as in the other rows: waiting rows run together, and none waits for more."""


def rest_body(images: np.ndarray) -> bytes:
    """Return rows in TensorFlow Serving's row format, each float32 in its shortest text."""
    return orjson.dumps({"instances": images}, option=orjson.OPT_SERIALIZE_NUMPY)


def read_predictions(answer: bytes) -> np.ndarray:
    """Return the predictions of an answer."""
    return np.array(orjson.loads(answer)["predictions"], np.float32)


@contextlib.contextmanager
def model_server(
    model: Path, rows: np.ndarray, work: Path, options: Sequence[str] = ()
) -> Iterator[Endpoint]:
    """
    Serve a SavedModel as version 1 of a model of its name, with batching, on one thread.

    The endpoint is that of REST predict, with a request of `rows`. `work` is the directory for
    files of the server. Raises Unavailable if it does not start.
    """
    base = work / f"{model.name}-versions"
    base.mkdir(exist_ok=True)
    with contextlib.suppress(FileExistsError):
        os.symlink(model.resolve(), base / "1")
    parameters = work / "batching.config"
    parameters.write_text(BATCHING)
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "eas_processor.cli.model_server",
        f"--rest_api_port={port}",
        f"--model_name={model.name}",
        f"--model_base_path={base}",
        "--enable_batching=true",
        f"--batching_parameters_file={parameters}",
        "--tensorflow_session_parallelism=1",
        *options,
    ]
    url = f"http://127.0.0.1:{port}/v1/models/{model.name}:predict"
    endpoint = Endpoint(url, rest_body(rows), read_predictions, "application/json")
    home = {"PYTHONPATH": str(Path(__file__).parents[1]), "EAS_HOME": str(work / "home")}
    with server(command, endpoint, work, **home) as running:
        yield running
