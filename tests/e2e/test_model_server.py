"""`tensorflow_model_server` and `eascmd serve` with TensorFlow Serving's own test models."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fixtures.many import EASCMD, eventually

DATA = Path(__file__).parents[1] / "tf" / "data" / "tfs"
SERVER = (sys.executable, "-m", "eas_processor.cli.model_server")
TWO, THREE = "saved_model_half_plus_two_cpu", "saved_model_half_plus_three"
ANSWER_TWO, ANSWER_THREE = [2.5, 3.0, 4.5], [3.5, 4.0, 5.5]
ROWS = {"instances": [1.0, 2.0, 5.0]}
STOP_S = 60


class Server:
    """A server in a process of its own, and its models."""

    def __init__(self, directory: Path, *arguments: str) -> None:
        self.port = _free_port()
        self._log = directory / "log"
        command = [*SERVER, f"--rest_api_port={self.port}", *arguments]
        environment = {**os.environ, "EAS_HOME": str(directory / "home")}
        with self._log.open("w") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)

    @property
    def log(self) -> str:
        return self._log.read_text()

    def wait(self) -> Server:
        eventually(lambda: self._ended() or "Exporting HTTP/REST API at:localhost:" in self.log)
        assert self.process.poll() is None, self.log
        return self

    def _ended(self) -> bool:
        return self.process.poll() is not None

    def http(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        with contextlib.closing(connection):
            connection.request(method, path, None if body is None else json.dumps(body))
            response = connection.getresponse()
            return response.status, json.loads(response.read())

    def ask(self, path: str, body: Any = ROWS) -> Any:
        status, answer = self.http("POST", f"/v1/models/{path}:predict", body)
        return answer["predictions"] if status == 200 else answer["error"]

    def states(self, name: str) -> dict[str, str]:
        status, answer = self.http("GET", f"/v1/models/{name}")
        if status != 200:
            return {}
        return {each["version"]: each["state"] for each in answer["model_version_status"]}

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_S)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def put(model: str, directory: Path, version: int, batching: str = "") -> Path:
    """Have a version appear at once, as writers do, with batching parameters of its own if any."""
    directory.mkdir(parents=True, exist_ok=True)
    draft = directory / f"{version}.part"
    shutil.copytree(next((DATA / model).iterdir()), draft)
    if batching:
        (draft / "batching_params.pbtxt").write_text(batching)
    return draft.rename(directory / str(version))


def config_of(**models: Path | tuple[Path, str]) -> str:
    """Return the text of a `models.config`, each with more fields if given."""
    lines = []
    for name, given in models.items():
        path, more = given if isinstance(given, tuple) else (given, "")
        lines.append(f"config {{ name: '{name}', base_path: '{path}' {more} }}")
    return f"model_config_list: {{ {' '.join(lines)} }}"


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def make(*arguments: str) -> Server:
        servers.append(Server(tmp_path, *arguments))
        return servers[-1]

    yield make
    for each in servers:
        each.stop()


def test_versions_come_and_go_under_load(start: Callable[..., Server], tmp_path: Path) -> None:
    base = tmp_path / "models" / "half"
    put(TWO, base, 1)
    server = start(
        "--model_name=half", f"--model_base_path={base}", "--max_num_load_retries=0"
    ).wait()
    assert server.ask("half") == ANSWER_TWO
    assert "Successfully loaded servable version {name: half version: 1}" in server.log
    assert "No warmup data file found at " in server.log
    failures: list[Any] = []
    over = threading.Event()

    def call() -> None:
        while not over.is_set():
            answer = server.ask("half")
            if answer not in (ANSWER_TWO, ANSWER_THREE):
                failures.append(answer)

    threads = [threading.Thread(target=call) for _ in range(4)]
    for each in threads:
        each.start()
    try:
        put(THREE, base, 2)
        eventually(lambda: server.ask("half") == ANSWER_THREE)
        (base / "3").mkdir()
        (base / "3" / "saved_model.pb").write_bytes(b"no graph")
        eventually(lambda: server.states("half").get("3") == "END")
        assert server.ask("half") == ANSWER_THREE
        _, answer = server.http("GET", "/v1/models/half/versions/3")
        assert answer["model_version_status"][0]["status"]["error_code"] != "OK"
        put(TWO, base, 4)
        eventually(lambda: server.ask("half") == ANSWER_TWO)
        shutil.rmtree(base / "1")
        ended = dict.fromkeys("321", "END")
        eventually(lambda: server.states("half") == {"4": "AVAILABLE", **ended})
    finally:
        over.set()
        for each in threads:
            each.join()
    assert not failures
    assert server.stop() == 0


def test_a_configuration_is_read_again_and_labels_move(
    start: Callable[..., Server], tmp_path: Path
) -> None:
    models, file = tmp_path / "models", tmp_path / "models.config"
    for version, model in ((1, TWO), (2, THREE)):
        put(model, models / "half", version)
    put(THREE, models / "three", 7)
    both = "model_version_policy { specific { versions: 1, versions: 2 } }"
    file.write_text(config_of(half=(models / "half", both)))
    server = start(
        f"--model_config_file={file}",
        "--model_config_file_poll_wait_seconds=1",
        "--enable_batching=true",
    ).wait()
    eventually(lambda: server.states("half") == {"1": "AVAILABLE", "2": "AVAILABLE"})
    assert server.ask("half") == ANSWER_THREE
    assert server.ask("half/versions/1") == ANSWER_TWO
    label = "version_labels {{ key: 'stable' value: {} }}"
    for number, answer in ((1, ANSWER_TWO), (2, ANSWER_THREE)):
        more = f"{both} {label.format(number)}"
        file.write_text(config_of(half=(models / "half", more), three=models / "three"))
        eventually(lambda answer=answer: server.ask("half/labels/stable") == answer)
    eventually(lambda: server.ask("three") == ANSWER_THREE)
    for broken in ("", "model_config_list { config {", config_of(half=Path("relative"))):
        file.write_text(broken)
        eventually(lambda: server.log.count("stays as it is"))
        assert server.ask("half/labels/stable") == ANSWER_THREE
    file.write_text(config_of(three=models / "three"))
    eventually(lambda: "Servable not found for request: Latest(half)" in str(server.ask("half")))
    assert server.ask("three") == ANSWER_THREE


def test_versions_are_batched_by_their_own_parameters(
    start: Callable[..., Server], tmp_path: Path
) -> None:
    own = {
        "few": "max_batch_size { value: 2 }",
        "parts": "max_batch_size { value: 2 } enable_large_batch_splitting { value: true }",
        "alone": "",
    }
    models = {name: tmp_path / "models" / name for name in own}
    for name, text in own.items():
        put(TWO, models[name], 1, text)
    config, batching = tmp_path / "models.config", tmp_path / "batching.config"
    config.write_text(config_of(**models))
    batching.write_text("num_batch_threads { value: 2 } max_batch_size { value: 1 }")
    server = start(
        f"--model_config_file={config}",
        "--max_num_load_retries=0",
        "--enable_batching",
        f"--batching_parameters_file={batching}",
        "--enable_per_model_batching_parameters",
    ).wait()
    assert server.ask("few") == "Task size 3 is larger than maximum input batch size 2"
    assert server.ask("few", {"instances": [1.0, 2.0]}) == ANSWER_TWO[:2]
    assert server.ask("parts") == server.ask("alone") == ANSWER_TWO
    scalar = server.http("POST", "/v1/models/parts:predict", {"inputs": 1.0})
    no_rows = "Batching session Run() input tensors must have at least one dimension"
    assert scalar == (400, {"error": no_rows})
    assert server.http("POST", "/v1/models/alone:predict", {"inputs": 1.0}) == (
        200,
        {"outputs": 2.5},
    )
    put(THREE, models["few"], 2, "max_batch_size: 2")
    eventually(lambda: server.states("few").get("2") == "END")
    _, answer = server.http("GET", "/v1/models/few/versions/2")
    message = answer["model_version_status"][0]["status"]["error_message"]
    assert "tensorflow.serving.BatchingParameters: batching_params.pbtxt:1:17 : " in message
    assert f"{models['few']}/2/batching_params.pbtxt:1:17 : " in server.log
    assert server.ask("few", {"instances": [1.0]}) == ANSWER_TWO[:1]


def test_a_model_that_cannot_be_loaded_ends_the_start(
    start: Callable[..., Server], tmp_path: Path
) -> None:
    base = tmp_path / "models" / "bad"
    put("bad_half_plus_two", base, 1)
    server = start("--model_name=bad", f"--model_base_path={base}", "--max_num_load_retries=0")
    assert server.process.wait(90) == 255
    said = "Failed to start server. Error: 1 servable(s) did not become available: {{name: bad "
    assert said in server.log


def test_eascmd_serves_a_models_directory_by_both_protocols(tmp_path: Path) -> None:
    base = tmp_path / "half"
    put(TWO, base, 3)
    environment = {**os.environ, "EAS_HOME": str(tmp_path / "home")}
    command = [*EASCMD, "serve", str(base), "--port", "0"]
    with (
        (tmp_path / "log").open("w") as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, env=environment) as made,
    ):
        try:
            assert made.stdout is not None
            event = json.loads(made.stdout.readline())
            host, _, port = event["address"].rpartition("//")[2].partition(":")
            connection = http.client.HTTPConnection(host, int(port), timeout=60)
            for path, kind in (
                ("/v1/models/half:predict", "text/plain"),
                ("/api/predict/half", "application/json"),
            ):
                body = json.dumps({"instances": [[1.0], [2.0]]})
                connection.request("POST", path, body, {"Content-Type": kind})
                answer = json.loads(connection.getresponse().read())
                assert answer == {"predictions": [[2.5], [3.0]]}
        finally:
            made.send_signal(signal.SIGTERM)
            assert made.wait(STOP_S) == 0
