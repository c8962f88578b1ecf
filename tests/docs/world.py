"""The services, the models and the files that the blocks of the documentation name."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import inspect
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import numpy as np
from docs.reader import ROOT, free_port
from e2e.models import save_linear, tf, v1
from fixtures.certificates import make_pair

import eas_prediction

TOKEN = "a-secret-of-the-pages"
_PORTS = "8080", "8500", "8501"
_PATIENCE_S = 120
_HALF_PLUS_TWO = ROOT / "tests" / "tf" / "data" / "tfs" / "saved_model_half_plus_two_cpu"
_SERVERS = re.compile(r"(eascmd serve|eascmd processor run|tensorflow_model_server) ")
_QUICK = """
from eas_processor.hooks import arrays

def initialize(model_entry, model_config):
    return None

@arrays(inputs={"images": ("float32", [-1, 784])}, outputs={"scores": ("float32", [-1, 10])})
def process(model, images):
    return images[:, :10]
"""
"""A processor that starts without TensorFlow, for pages that only start it."""
_CURL = 'curl() { command curl -sS --fail-with-body "$@"; }; '
"""A refusal is a failure, and no page needs a bar of progress."""


class World:
    """
    A directory with what the pages name, and an engine that serves `digits` and `half_plus_two`.

    Blocks run in the directory. Whatever port they name, it is the engine's, or that of the server
    that the block itself has started.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._furnish()
        self._servers: list[subprocess.Popen[str]] = []
        self._done: set[tuple[str, ...]] = set()
        self._environment = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "TF_CPP_MIN_LOG_LEVEL": "2",
            "TOKEN": TOKEN,
            "EAS_TOKEN": TOKEN,
        }
        self._start("eascmd serve service.json half_plus_two.json")
        self._ports_of_engine = self._ports

    def close(self) -> None:
        """End the engine, which has to end well."""
        self._stop()

    def write(self, name: str, text: str) -> None:
        """Write a file that a page shows."""
        (self.directory / name).write_text(text)

    def run(self, found: list[str], page: str) -> None:
        """
        Run the commands of a block, unless it was run; AssertionError names one that fails.

        Those of an example run in a copy of its folder.
        """
        self._folder = self.directory
        if page.startswith("examples/"):
            self._folder = self.directory / page.rpartition("/")[0]
            shutil.copytree((ROOT / page).parent, self._folder, dirs_exist_ok=True)
        block = tuple(each.partition(" #")[0].strip() for each in found)
        if block in self._done:
            return
        self._done.add(block)
        if all(_SERVERS.match(each) for each in block):
            found = [each for each in block if (each,) not in self._done or len(block) == 1]
            self._done |= {(each,) for each in block}
        before, home = len(self._servers), self._environment["EAS_HOME"]
        try:
            for command in found:
                if _SERVERS.match(command):
                    self._start(command)
                else:
                    self._run(command)
        finally:
            while len(self._servers) > before:
                self._stop()
            self._ports, self._environment["EAS_HOME"] = self._ports_of_engine, home

    def python(self, code: str, names: dict[str, Any]) -> None:
        """Run a block of Python, and the tests that it defines; it may await."""
        with contextlib.chdir(self.directory):
            compiled = compile(self._here(code), "<page>", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
            waiting = eval(compiled, names)
            if inspect.iscoroutine(waiting):
                asyncio.run(waiting)
            for name in [each for each in names if each.startswith("test_")]:
                names.pop(name)()

    def names(self) -> dict[str, Any]:
        """Return what blocks of Python take as given."""
        images = np.zeros((1, 784), np.float32)
        request = eas_prediction.TFRequest("predict_images")
        request.add_feed("images", [1, 784], request.DT_FLOAT, images)
        client = eas_prediction.PredictClient(
            self._here("http://127.0.0.1:8080"), "digits", token=TOKEN
        )
        return {
            **{name: getattr(eas_prediction, name) for name in eas_prediction.__all__},
            "asyncio": asyncio,
            "images": images,
            "batches": [images, images],
            "request": request,
            "requests": [request, request],
            "client": client,
            "best_class": lambda client: client.predict(request).numpy("scores").argmax(),
        }

    def _furnish(self) -> None:
        here = self.directory
        save_linear(here / "model")
        for copy in ("saved_model", "path/to/saved_model"):
            shutil.copytree(here / "model", here / copy)
        shutil.copytree(_HALF_PLUS_TWO, here / "models" / "half_plus_two")
        shutil.copytree(_HALF_PLUS_TWO / "00000123", here / "MODEL" / "1")
        save_first_model(here / "models" / "first_model" / "0")
        np.save(here / "digits.npy", np.zeros((1, 784), np.float32))
        (here / "services").mkdir()
        (here / "quick.py").write_text(_QUICK)
        self._service("service", "digits", model_path="model")
        self._service("half_plus_two", "half_plus_two", model_path="models/half_plus_two")
        for file in ("digits", "pitch", "services/digits"):
            self._service(file, Path(file).name, processor_path=str(here / "quick.py"))
        make_pair(here, "company")

    def _service(self, file: str, name: str, **keys: Any) -> None:
        if "model_path" in keys:
            keys |= {"processor": "tensorflow_cpu", "frontends": ["eas", "tfs", "grpc"]}
        keys |= {"name": name, "token": TOKEN if name == "digits" else ""}
        (self.directory / f"{file}.json").write_text(json.dumps(keys))

    def _run(self, command: str) -> None:
        if command.startswith("eascmd bench"):
            command = re.sub(r"\s*(#|$)", r" --duration 1 --warm-up 0 \1", command, count=1)
        if command.startswith("eascmd reload digits"):
            quick = str(self.directory / "quick.py")
            self._service("digits", "digits", processor_path=quick, model_config="changed")
        if made := re.match(r"eascmd processor new (\S+)", command):
            shutil.rmtree(self.directory / made[1], ignore_errors=True)
        done = subprocess.run(
            ["bash", "-c", _CURL + self._here(command)],
            cwd=self._folder,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_PATIENCE_S,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}"
        if exported := re.match(r"export (\w+)=(.*)", self._here(command)):
            self._environment[exported[1]] = exported[2]

    def _start(self, command: str) -> None:
        """Start a server with a data directory of its own; wait until it is ready."""
        held = [free_port() for _ in _PORTS]
        self._ports = {
            port: str(own.getsockname()[1]) for port, own in zip(_PORTS, held, strict=True)
        }
        for each in held:
            each.close()
        self._environment["EAS_HOME"] = str(self.directory / f"home-{self._ports['8080']}")
        line = self._here(command.partition(" #")[0])
        if line.startswith("eascmd"):
            line += f" --port {self._ports['8080']}"
            self._ports = dict.fromkeys(_PORTS, self._ports["8080"])
        log_file = self.directory / f"{self._ports['8080']}.log"
        with log_file.open("w") as log:
            server = subprocess.Popen(
                ["bash", "-c", f"exec {line}"],
                cwd=self.directory,
                env=self._environment,
                stdout=log,
                stderr=log,
                text=True,
            )
        self._servers.append(server)
        deadline = time.monotonic() + _PATIENCE_S
        while not self._serves(line, log_file):
            assert server.poll() is None, f"{command}\n{log_file.read_text()}"
            assert time.monotonic() < deadline, f"{command}\n{log_file.read_text()}"
            time.sleep(0.05)

    def _serves(self, line: str, log_file: Path) -> bool:
        if line.startswith("eascmd"):
            services = max(1, len(re.findall(r"\.json", line)))
            return log_file.read_text().count('"event": "serving"') >= services
        ready = f"http://127.0.0.1:{self._ports['8501']}/readyz"
        with contextlib.suppress(OSError), urlopen(ready) as answer:
            return bool(answer.status == 200)
        return False

    def _stop(self) -> None:
        server = self._servers.pop()
        server.send_signal(signal.SIGINT)
        assert server.wait(_PATIENCE_S) == 0, server.args

    def _here(self, text: str) -> str:
        """Return a text of a page with this world's ports, token and models."""
        for port, own in self._ports.items():
            text = re.sub(rf"\b{port}\b", own, text)
        text = re.sub(r"(token=|set_token\(|EAS_TOKEN=)(\")?\.\.\.(\")?", rf"\1\2{TOKEN}\3", text)
        text = text.replace("0.0, ...", ", ".join(["0.0"] * 784))
        return re.sub(r"(?<=[=\s])/models/", f"{self.directory}/models/", text)


def save_first_model(directory: Path) -> None:
    """Write the model that the page about TensorFlow Serving inspects."""
    with v1.Session(graph=tf.Graph()) as session:
        features = v1.placeholder(tf.float32, [None, 31], name="input_1")
        scores = v1.reduce_sum(features, axis=1)
        v1.saved_model.simple_save(session, str(directory), {"input_1": features}, {"y": scores})


@contextlib.contextmanager
def world_in(directory: Path) -> Iterator[World]:
    """Make the world in a directory, and end it."""
    world = World(directory)
    try:
        yield world
    finally:
        world.close()
