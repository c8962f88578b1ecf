"""Real services: `eascmd serve` as a process of its own, called over HTTP."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from eas_prediction import PredictClient

EASCMD = Path(sys.executable).parent / "eascmd"
START_S = 120


class Served:
    """A running service."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        assert process.stdout is not None
        self.printed = process.stdout.readline()
        if not self.printed:
            pytest.fail(f"the service did not start:\n{self.stop()}")
        self.event = json.loads(self.printed)
        self.url, self.address = self.event["url"], self.event["address"]
        self.name = self.event["service"]
        token_file = self.event["token_file"]
        self.token = Path(token_file).read_text().strip() if token_file else ""

    def client(self) -> PredictClient:
        client = PredictClient(self.address, self.name)
        client.set_token(self.token)
        client.init()
        return client

    def stop(self) -> str:
        """Send SIGTERM; return what was printed on stderr."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.communicate(timeout=60)[1]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data directory of every service of a module."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def environment(home: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What `eascmd` sees: a data directory and a directory for temporary files of its own."""
    return os.environ | {"EAS_HOME": str(home), "TMPDIR": str(tmp_path_factory.mktemp("tmp"))}


@pytest.fixture(scope="module")
def serve(
    environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., Served]]:
    """Serve a model under a service file made of keyword arguments."""
    running: list[Served] = []

    def start(model_path: Path, **keys: Any) -> Served:
        path = tmp_path_factory.mktemp("service") / "service.json"
        service = {"name": "model", "model_path": str(model_path), "processor": "tensorflow_cpu"}
        path.write_text(json.dumps(service | keys))
        process = subprocess.Popen(
            [EASCMD, "serve", path, "--port", "0"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        running.append(Served(process))
        return running[-1]

    yield start
    for served in running:
        if served.process.poll() is None:
            served.stop()
