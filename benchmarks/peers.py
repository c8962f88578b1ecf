"""The peers: how each is installed and started, and what it is sent, at its best encoding."""

from __future__ import annotations

import contextlib
import functools
import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.contender import (
    HERE,
    Contender,
    Endpoint,
    environment_python,
    free_port,
    server,
)
from benchmarks.service import body, read_scores

TENSORFLOW = "tensorflow-cpu>=2.21,<2.22"
SERVERS = HERE / "servers"
Command = Callable[[Path, int, Path, int], list[str]]
Request = Callable[[int, np.ndarray], Endpoint]


@dataclass(frozen=True)
class Peer:
    """One peer; `command` gets interpreter, port, a scratch directory and the batch size."""

    name: str
    packages: Sequence[str]
    command: Command
    request: Request
    encoding: str
    batching: str
    variables: tuple[tuple[str, str], ...] = ()


def _raw(path: str) -> Request:
    def request(port: int, row: np.ndarray) -> Endpoint:
        read = functools.partial(np.frombuffer, dtype=np.float32)
        return Endpoint(f"http://127.0.0.1:{port}{path}", row.tobytes(), read)

    return request


def _protobuf(path: str) -> Request:
    def request(port: int, row: np.ndarray) -> Endpoint:
        return Endpoint(f"http://127.0.0.1:{port}{path}", body(row), read_scores)

    return request


def _from_json(key: str | None) -> Callable[[bytes], np.ndarray]:
    def read(answer: bytes) -> np.ndarray:
        content = json.loads(answer)
        return np.array(content if key is None else content[key], np.float32)

    return read


def _json(path: str, content: Callable[[np.ndarray], object], key: str | None) -> Request:
    def request(port: int, row: np.ndarray) -> Endpoint:
        sent = json.dumps(content(row)).encode()
        url = f"http://127.0.0.1:{port}{path}"
        return Endpoint(url, sent, _from_json(key), content_type="application/json")

    return request


def _v2(port: int, row: np.ndarray) -> Endpoint:
    entry = {"name": "images", "shape": [1, 784], "datatype": "FP32"}
    content = {"inputs": [entry | {"data": row.reshape(-1).tolist()}]}

    def read(answer: bytes) -> np.ndarray:
        return np.array(json.loads(answer)["outputs"][0]["data"], np.float32)

    url = f"http://127.0.0.1:{port}/v2/models/mlp/infer"
    return Endpoint(url, json.dumps(content).encode(), read, content_type="application/json")


def _v2_binary(port: int, row: np.ndarray) -> Endpoint:
    binary = {"binary_data_size": row.nbytes}
    entry = {"name": "images", "shape": [1, 784], "datatype": "FP32", "parameters": binary}
    output = {"name": "scores", "parameters": {"binary_data": True}}
    head = json.dumps({"inputs": [entry], "outputs": [output]}).encode()

    def read(answer: bytes) -> np.ndarray:
        return np.frombuffer(answer[-40:], np.float32)

    return Endpoint(
        f"http://127.0.0.1:{port}/v2/models/mlp/infer",
        head + row.tobytes(),
        read,
        headers={"Inference-Header-Content-Length": str(len(head))},
    )


def _mosec(python: Path, port: int, _: Path, __: int) -> list[str]:
    options = ["--log-level", "warning", "--timeout", "10000"]
    script = str(SERVERS / "mosec_server.py")
    return [str(python), script, "--address", "127.0.0.1", "--port", str(port), *options]


def _script(name: str) -> Command:
    def command(python: Path, port: int, _: Path, __: int) -> list[str]:
        ports = [str(each) for each in (port, free_port(), free_port())]
        return [str(python), str(SERVERS / name), *ports]

    return command


def _mlserver(python: Path, port: int, scratch: Path, batch: int) -> list[str]:
    settings = {
        "debug": False,
        "host": "127.0.0.1",
        "http_port": port,
        "grpc_port": free_port(),
        "metrics_port": free_port(),
        "metrics_endpoint": None,
        "parallel_workers": 0,
        "gzip_enabled": False,
    }
    model: dict[str, object] = {"name": "mlp", "implementation": "mlserver_model.Mlp"}
    if batch > 1:
        model |= {"max_batch_size": batch, "max_batch_time": 0.001}
    (scratch / "settings.json").write_text(json.dumps(settings))
    (scratch / "model-settings.json").write_text(json.dumps(model))
    (scratch / "mlserver_model.py").write_text((SERVERS / "mlserver_model.py").read_text())
    return [str(python.parent / "mlserver"), "start", str(scratch)]


def _miraserver(python: Path, port: int, scratch: Path, batch: int) -> list[str]:
    folder = scratch / "models" / "mlp" / "1"
    folder.mkdir(parents=True)
    (folder / "model.py").write_text((SERVERS / "miraserver_model.py").read_text())
    batching = f"max_batch_size: {batch}\nbatch_timeout: 0.001\n" if batch > 1 else ""
    (folder / "config.yaml").write_text(f"{batching}startup_timeout: 300.0\n")
    settings = {
        "server": {"host": "127.0.0.1", "http_port": port},
        "model_repository": {"path": str(scratch / "models")},
        "orchestration": {"control_mode": "explicit", "load_models": ["mlp"]},
    }
    # JSON is YAML too.
    (scratch / "server.yaml").write_text(json.dumps(settings))
    options = ["--no-grpc", "--no-metrics", "--log-level", "warn"]
    program = str(python.parent / "lite-server")
    return [program, "serve", *options, "--config", str(scratch / "server.yaml")]


def _bentoml(python: Path, port: int, _: Path, __: int) -> list[str]:
    program = str(python.parent / "bentoml")
    where = ["--working-dir", str(SERVERS), "--host", "127.0.0.1", "--port", str(port)]
    return [program, "serve", "bentoml_service:Mlp", *where]


PEERS = [
    Peer("mosec", ["mosec==0.9.8"], _mosec, _raw("/inference"), "raw float32", "32, 1 ms"),
    Peer(
        "mosec with our encoding",
        ["mosec==0.9.8"],
        _mosec,
        _protobuf("/inference"),
        "protobuf, read and written by this project's wire package",
        "32, 1 ms",
        (("BENCH_ENCODING", "protobuf"), ("PYTHONPATH", f"{SERVERS}:{HERE.parent}")),
    ),
    Peer(
        "LitServe",
        ["litserve==0.2.19"],
        _script("litserve_server.py"),
        _json("/predict", lambda row: {"images": row[0].tolist()}, "scores"),
        "JSON",
        "32, 1 ms",
    ),
    Peer(
        "FastAPI",
        ["fastapi==0.121.3", "uvicorn[standard]==0.38.0", "orjson==3.13.0"],
        _script("fastapi_server.py"),
        _json("/v1/models/mlp:predict", lambda row: {"instances": row.tolist()}, "predictions"),
        "TensorFlow Serving's JSON, by orjson",
        "32, 1 ms",
    ),
    Peer(
        "miraserver",
        ["miraserver==0.8.12"],
        _miraserver,
        _raw("/v2/models/mlp/infer"),
        "raw float32",
        "32, 1 ms",
    ),
    Peer("MLServer", ["mlserver==1.7.1"], _mlserver, _v2, "v2 JSON", "32, 1 ms"),
    Peer(
        "BentoML",
        ["bentoml==1.4.39"],
        _bentoml,
        _json("/predict", lambda row: {"images": row.tolist()}, None),
        "JSON",
        "32, adaptive",
        (("BENTOML_DO_NOT_TRACK", "True"),),
    ),
    Peer(
        "Ray Serve",
        ["ray[serve]==2.60.0"],
        _script("ray_server.py"),
        _raw("/predict"),
        "raw float32",
        "32, no wait; throughput flag, no HAProxy",
        (
            ("RAY_USAGE_STATS_ENABLED", "0"),
            ("RAY_SERVE_THROUGHPUT_OPTIMIZED", "1"),
            ("RAY_SERVE_ENABLE_HA_PROXY", "0"),
        ),
    ),
    Peer(
        "pytriton",
        ["nvidia-pytriton==0.7.0", "numpy<2"],
        _script("pytriton_server.py"),
        _v2_binary,
        "v2 binary",
        "64, no delay",
    ),
]


def contenders(peer: Peer, work: Path, row: np.ndarray) -> list[Contender]:
    """Return a peer with batching and without."""
    folder = peer.name.lower().partition(" ")[0]

    def start(batch: int) -> contextlib.AbstractContextManager[Endpoint]:
        return _start(peer, folder, work, row, batch)

    return [
        Contender(
            f"{peer.name}, {'batching' if batch > 1 else 'no batching'}",
            f"{', '.join(peer.packages)}; {peer.encoding}"
            + (f"; batch {peer.batching}" if batch > 1 else ""),
            functools.partial(start, batch),
        )
        for batch in (32, 1)
    ]


@contextlib.contextmanager
def _start(peer: Peer, folder: str, work: Path, row: np.ndarray, batch: int) -> Iterator[Endpoint]:
    python = environment_python(folder, [TENSORFLOW, *peer.packages])
    port = free_port()
    variables = dict(peer.variables) | {
        "BENCH_BATCH": str(batch),
        "BENCH_MODEL": str(work / "mlp"),
        # pytriton's stub loads libpython from here; others do not mind.
        "LD_LIBRARY_PATH": str(python.resolve().parent.parent / "lib"),
        "PATH": f"{python.parent}:/usr/local/bin:/usr/bin:/bin",
    }
    with (
        tempfile.TemporaryDirectory(prefix="eas-bench-") as scratch,
        server(
            peer.command(python, port, Path(scratch), batch),
            peer.request(port, row),
            Path(scratch),
            **variables,
        ) as endpoint,
    ):
        yield endpoint
