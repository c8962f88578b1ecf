"""
The same with TensorFlow itself: a request that aborts TensorFlow 1.15, and a change of the build.

`EAS_TEST_BUILDS='1.15 2.21' make test-chaos` runs it, with the builds of this machine.
"""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from e2e.conftest import EASCMD, Served
from e2e.test_builds import MODELS, request_of, save_sparse
from tf.data import network

from eas_processor import home as data_directory

SECONDS = float(os.environ.get("CHAOS_SECONDS", "5"))
pytestmark = [
    pytest.mark.chaos,
    pytest.mark.skipif(
        not {"1.15", "2.21"} <= set(os.environ.get("EAS_TEST_BUILDS", "").split()),
        reason="EAS_TEST_BUILDS does not name 1.15 and 2.21",
    ),
]


class Service:
    """`eascmd serve` of a model, with the keys of its service file in the test's hands."""

    def __init__(self, directory: Path, model: Path, **keys: Any) -> None:
        self.file = directory / "service.json"
        self._keys = {"name": directory.name, "model_path": str(model), "token": "", **keys}
        self.write()
        self.environment = {**os.environ, "EAS_HOME": str(data_directory.home())}
        # Not a pipe: nobody reads it while the service runs, and the log of 50 crashes fills one.
        self._log = directory / "stderr"
        with self._log.open("w") as log:
            self.served = Served(
                subprocess.Popen(
                    [EASCMD, "serve", self.file, "--port", "0"],
                    stdout=subprocess.PIPE,
                    stderr=log,
                    text=True,
                    env=self.environment,
                )
            )

    @property
    def log(self) -> str:
        return self._log.read_text()

    def write(self, **keys: Any) -> None:
        self._keys |= keys
        self.file.write_text(json.dumps(self._keys))

    def eascmd(self, *arguments: str) -> str:
        done = subprocess.run(
            [EASCMD, *arguments, self.file],
            check=False,
            capture_output=True,
            text=True,
            env=self.environment,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


class Load:
    """Threads that send `body` until told to stop, and count what comes back."""

    def __init__(self, url: str, body: bytes, threads: int = 8) -> None:
        self.fates: Counter[Any] = Counter()
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(url, body)) for _ in range(threads)
        ]
        for each in self._threads:
            each.start()

    def stop(self) -> None:
        self._over.set()
        for each in self._threads:
            each.join()

    def _run(self, url: str, body: bytes) -> None:
        while not self._over.is_set():
            self.fates[ask(url, body)] += 1


def ask(url: str, body: bytes) -> tuple[int, bytes] | str:
    try:
        with urllib.request.urlopen(url, body, timeout=60) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
    except OSError as error:
        return repr(error)


BATCHING = {"instance": 2, "rpc": {"batching": True, "max_batch_size": 16, "keepalive": 30000}}


def test_requests_that_abort_tensorflow_take_no_neighbour_along(tmp_path: Path) -> None:
    model = save_sparse(tmp_path / "model")
    service = Service(tmp_path, model, processor="tensorflow_cpu_1.15", metadata=BATCHING)

    def sparse(size: int) -> bytes:
        entries = {"indices": np.array([[1, 1], [0, 0]]), "values": np.array([2, 1], "f4")}
        return request_of(**entries, dense_shape=np.array([size, size]))

    right = ask(service.served.url, sparse(2))
    load = Load(service.served.url, sparse(2))
    poisoned = []
    for number in range(50):
        poisoned.append(ask(service.served.url, sparse(2**40 + number)))
        time.sleep(SECONDS / 50)
    load.stop()
    service.served.stop()
    print(f"50 aborts of TensorFlow 1.15: {sum(load.fates.values())} others sent, {load.fates}")
    assert right[0] == 200 and set(load.fates) == {right}
    assert {each[0] for each in poisoned} == {500}
    assert service.log.count("poison request") == 50
    assert service.served.process.returncode == 0


def test_the_build_is_changed_by_a_reload(tmp_path: Path) -> None:
    model = MODELS / "1.15_ref"
    service = Service(tmp_path, model, processor="tensorflow_cpu_1.15", metadata=BATCHING)
    body = request_of("predict_images", ("scores",), images=network.IMAGES)
    load = Load(service.served.url, body)
    for build in ("2.21", "1.15"):
        service.write(processor=f"tensorflow_cpu_{build}")
        assert "replaced" in service.eascmd("reload")
        shown = json.loads(service.eascmd("w", "--json"))["instances"]
        assert {each["build"] for each in shown} == {f"tensorflow_cpu_{build}"}
        assert len(shown) == 2
    load.stop()
    service.served.stop()
    counts = Counter(fate[0] if isinstance(fate, tuple) else fate for fate in load.fates.elements())
    print(f"1.15 to 2.21 and back: {dict(counts)}, {len(load.fates)} different answers")
    assert set(counts) == {200}
    assert service.served.process.returncode == 0
