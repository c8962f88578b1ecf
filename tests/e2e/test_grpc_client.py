"""The SDK's gRPC clients and `eascmd predict grpc://` at a `tensorflow_model_server`."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from e2e.test_model_server import ANSWER_THREE, ANSWER_TWO, THREE, TWO, Server, config_of, put
from e2e.test_model_server import start as start
from fixtures import need
from fixtures.many import EASCMD, eventually

from eas_prediction import AsyncGrpcClient, GrpcClient, Refused

need.module("grpc")

X = {"x": [1.0, 2.0, 5.0]}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server whose model `half` has the versions 1, `stable`, and 2."""
    directory, port = tmp_path_factory.mktemp("server"), free_port()
    put(TWO, directory / "half", 1)
    put(THREE, directory / "half", 2)
    versions = "model_version_policy { specific { versions: 1, versions: 2 } }"
    label = "version_labels { key: 'stable' value: 1 }"
    config = directory / "models.config"
    config.write_text(config_of(half=(directory / "half", f"{versions} {label}")))
    labels = "--allow_version_labels_for_unavailable_models"
    server = Server(directory, f"--port={port}", f"--model_config_file={config}", labels)
    try:
        server.wait()
        # The port opens with the first version that serves.
        eventually(lambda: server.states("half") == {"1": "AVAILABLE", "2": "AVAILABLE"})
        yield f"127.0.0.1:{port}"
    finally:
        server.stop()


@pytest.fixture
def client(target: str) -> Iterator[GrpcClient]:
    with GrpcClient(target, "half") as client:
        yield client


def test_versions_labels_and_outputs(client: GrpcClient) -> None:
    assert client.predict(X)["y"].tolist() == ANSWER_THREE
    assert client.predict(X, version=1, outputs=["y"])["y"].tolist() == ANSWER_TWO
    assert client.predict(X, version_label="stable")["y"].tolist() == ANSWER_TWO
    assert str(client.signature(version=1).inputs["x"]) == "DT_FLOAT [-1, 1]"


def test_what_the_server_refuses(client: GrpcClient) -> None:
    for options, status in (
        ({"version": 9}, "NOT_FOUND"),
        ({"version_label": "canary"}, "INVALID_ARGUMENT"),
        ({"signature_name": "no"}, "FAILED_PRECONDITION"),
        ({"outputs": ["no"]}, "INVALID_ARGUMENT"),
    ):
        with pytest.raises(Refused) as raised:
            client.predict(X, **options)
        assert raised.value.grpc_status == status


def test_16_mb_pass_both_ways(client: GrpcClient) -> None:
    values = np.arange(4 << 20, dtype=np.float32)
    answer = client.predict({"x": values}, version=1, timeout=60_000)["y"]
    np.testing.assert_array_equal(answer, values / 2 + 2)


def test_asyncio(target: str) -> None:
    async def ask() -> list[dict[str, np.ndarray]]:
        async with AsyncGrpcClient(target, "half") as client:
            requests = [{"x": [float(each)]} for each in range(200)]
            return await client.predict_many(requests, concurrency=32, version=1)

    answers = asyncio.run(ask())
    assert [each["y"].tolist() for each in answers] == [[each / 2 + 2] for each in range(200)]


def test_the_command(target: str) -> None:
    url = f"grpc://{target}/half/labels/stable"
    command = [*EASCMD, "predict", url, "-i", "x=[1.0, 2.0, 5.0]", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert json.loads(done.stdout) == {"y": ANSWER_TWO}


def test_no_call_fails_while_a_version_replaces_another(
    start: Callable[..., Server], tmp_path: Path
) -> None:
    base, port = tmp_path / "models" / "half", free_port()
    put(TWO, base, 1)
    models = ("--model_name=half", f"--model_base_path={base}")
    start(f"--port={port}", "--file_system_poll_wait_seconds=1", *models).wait()
    seen: list[list[float]] = []
    failures: list[Exception] = []
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            try:
                seen.append(client.predict(X)["y"].tolist())
            except Exception as error:
                failures.append(error)

    with GrpcClient(f"127.0.0.1:{port}", "half") as client:
        threads = [threading.Thread(target=ask) for _ in range(4)]
        for each in threads:
            each.start()
        try:
            put(THREE, base, 2)
            shutil.rmtree(base / "1")
            eventually(lambda: seen[-1:] == [ANSWER_THREE] or failures)
        finally:
            over.set()
            for each in threads:
                each.join()
    assert failures == []
    assert all(each in (ANSWER_TWO, ANSWER_THREE) for each in seen)
