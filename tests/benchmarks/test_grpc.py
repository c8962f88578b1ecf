from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from fixtures.grpc_servers import grpcio_server
from fixtures.serving_messages import parsed

from benchmarks import grpc_servers
from benchmarks.contender import HERE, Unavailable
from benchmarks.grpc import has_scores
from benchmarks.grpc_endpoint import GrpcEndpoint, measured, predict_request
from benchmarks.grpc_servers import grpcio, stub_p50
from benchmarks.h2load import h2load, missing
from eas_processor.bench.load import Plan

ROW = np.arange(3, dtype=np.float32)[None]


def refuse(_: str, __: bytes, context: Any) -> bytes:
    context.abort(grpc.StatusCode.NOT_FOUND, "no such model")
    return b""


def test_a_request_has_model_and_rows() -> None:
    request = parsed("PredictRequest", predict_request(ROW, "m"))
    assert request.model_spec.name == "m"
    assert request.inputs[0].value.tensor_content == ROW.tobytes()


def test_scores_are_found_wherever_they_stand() -> None:
    assert has_scores(b"abc" + ROW.tobytes() + b"d", ROW[0])
    assert not has_scores(b"abc" + (ROW + 1).tobytes() + b"d", ROW[0])
    assert not has_scores(b"", ROW[0])


def test_a_load_has_the_processor_time_of_each_group_of_processes() -> None:
    with grpcio_server(lambda *_: b"x") as target:
        endpoint = GrpcEndpoint(f"grpc://{target.authority}/m", b"message")
        plan = Plan(concurrency=4, duration=60.0, warm_up=0, requests=200)
        found = measured(target, endpoint.calls(), plan, {"server": [os.getpid()], "none": []})
    assert found["throughput"] > 0 and 0 < found["p50"] <= found["p99"]
    assert 1 < found["server"] < 100_000 and found["none"] == 0


def test_refused_calls_are_not_measured() -> None:
    with grpcio_server(refuse) as target:
        endpoint = GrpcEndpoint(f"grpc://{target.authority}/m", b"message")
        with pytest.raises(Unavailable, match="NOT_FOUND no such model"):
            endpoint.ask()
        with pytest.raises(Unavailable, match="10 requests failed"):
            measured(target, endpoint.calls(), Plan(duration=60.0, warm_up=0, requests=10), {})
        with pytest.raises(Unavailable, match="no such model"):
            stub_p50(endpoint, 0.2)


def test_the_stub_is_timed() -> None:
    with grpcio_server(lambda *_: b"x") as target:
        endpoint = GrpcEndpoint(f"grpc://{target.authority}/m", b"message", token="t")
        assert 0.01 < stub_p50(endpoint, 0.2) < 1000


@pytest.mark.skipif(bool(missing()), reason=missing())
def test_h2load_counts_calls(tmp_path: Path) -> None:
    (tmp_path / "body").write_bytes(b"\0\0\0\0\1x")
    headers = {"content-type": "application/grpc", "te": "trailers"}
    with grpcio_server(lambda *_: b"x") as target:
        url = f"http://{target.authority}{target.path}"
        found = h2load(url, tmp_path / "body", headers, 1, streams=4, answer=6)
        assert found["throughput"] > 1
    with pytest.raises(Unavailable, match="h2load"):
        h2load(url, tmp_path / "body", headers, 1)
    with grpcio_server(refuse) as target, pytest.raises(Unavailable, match="answers of 6 bytes"):
        url = f"http://{target.authority}{target.path}"
        h2load(url, tmp_path / "body", headers, 1, answer=6)


@pytest.mark.slow
def test_the_servers_of_grpcio_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grpc_servers, "environment_python", lambda *_: Path(sys.executable))
    script = HERE / "servers" / "make_models.py"
    subprocess.run([sys.executable, script, tmp_path], check=True, capture_output=True)
    known = np.load(tmp_path / "rows.npz")
    message = predict_request(known["images"][:1], "mlp")
    with grpcio("grpc_aio_server.py", tmp_path, message) as endpoint:
        assert has_scores(endpoint.ask(), known["scores"][0])
    for kind in ("sync", "aio"):
        with grpcio("grpc_echo.py", tmp_path, message, [kind]) as endpoint:
            assert endpoint.ask() == bytes(60)
