"""`tensorflow.ProfilerService` of `tensorflow_model_server`, asked by TensorFlow's own client."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
import tensorflow as tf
from e2e.test_model_server import TWO, Server, put
from e2e.test_model_server import start as start

client = tf.profiler.experimental.client
PROFILE = "/tensorflow.ProfilerService/Profile"
HALF_A_SECOND = b"\x08\xf4\x03"


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def asked_all_the_time(server: Server) -> Iterator[list[object]]:
    """Ask the model one request after the other; yield the answers."""
    answers: list[object] = []
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            answers.append(server.ask("half"))

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield answers
    finally:
        over.set()
        thread.join()


def serve(start: Callable[..., Server], directory: Path, port: int, *flags: str) -> Server:
    put(TWO, directory / "half", 1)
    models = ("--model_name=half", f"--model_base_path={directory / 'half'}")
    return start(f"--port={port}", *models, *flags).wait()


def test_the_clients_directory_gets_a_profile_that_the_server_did_not_write(
    start: Callable[..., Server], tmp_path: Path, port: int
) -> None:
    server = serve(start, tmp_path / "models", port)
    logs = tmp_path / "logs"
    with asked_all_the_time(server) as answers:
        client.trace(f"grpc://127.0.0.1:{port}", str(logs), 500)
        report = client.monitor(f"grpc://127.0.0.1:{port}", 500)
    assert all(answer == [2.5, 3.0, 4.5] for answer in answers)
    assert "half version 1: 1 instance, " in report
    (file,) = (each for each in logs.rglob("*") if each.is_file())
    assert file.name == f"127.0.0.1_{port}.half-1-1.xplane.pb"
    assert b"SessionRun" in file.read_bytes()


def test_a_directory_that_a_caller_names_is_not_written_to(
    start: Callable[..., Server], tmp_path: Path, port: int
) -> None:
    server = serve(start, tmp_path / "models", port)
    named = tmp_path / "named"
    root = str(named).encode()
    message = HALF_A_SECOND + b"\x2a" + bytes([len(root)]) + root + b"\x32\x01s\x3a\x04host"
    with asked_all_the_time(server), grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        answer = channel.unary_unary(PROFILE)(message, timeout=60)
    assert b"half-1-1.xplane.pb" in answer
    assert not named.exists()


def test_it_can_be_turned_off(start: Callable[..., Server], tmp_path: Path, port: int) -> None:
    serve(start, tmp_path / "models", port, "--enable_profiler=false")
    with (
        grpc.insecure_channel(f"127.0.0.1:{port}") as channel,
        pytest.raises(grpc.RpcError) as raised,
    ):
        channel.unary_unary(PROFILE)(HALF_A_SECOND, timeout=60)
    assert raised.value.code() is grpc.StatusCode.UNIMPLEMENTED
