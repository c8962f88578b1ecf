"""`eascmd bench grpc://` at a `tensorflow_model_server`, with bodies from GetModelMetadata."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Iterator

import pytest
from e2e.test_model_server import TWO, Server, put
from fixtures.many import EASCMD


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    directory = tmp_path_factory.mktemp("server")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    put(TWO, directory / "half", 1)
    server = Server(
        directory, f"--port={port}", "--model_name=half", f"--model_base_path={directory / 'half'}"
    )
    try:
        server.wait()
        yield f"grpc://127.0.0.1:{port}"
    finally:
        server.stop()


def bench(url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [*EASCMD, "bench", url, "--warm-up", "0", "-n", "300", "--json", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def test_every_call_is_answered(target: str) -> None:
    done = bench(f"{target}/half", "-c", "2", "--concurrency", "16", "--rows", "3")
    assert done.returncode == 0, done.stderr
    known = json.loads(done.stdout)
    assert known["status_codes"] == {"OK": 300} and known["in_flight"] == 16


def test_a_model_that_is_not_there_is_said(target: str) -> None:
    done = bench(f"{target}/none")
    assert done.returncode == 1
    assert "NOT_FOUND: Servable not found for request: Latest(none)" in done.stderr
