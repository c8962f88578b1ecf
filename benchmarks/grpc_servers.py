"""The gRPC servers that are compared: this project's engine, and grpcio's servers."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.contender import HERE, Endpoint, Unavailable, environment_python, free_port, server
from benchmarks.footprint import below
from benchmarks.grpc_endpoint import GrpcEndpoint
from benchmarks.peers import TENSORFLOW
from benchmarks.service import service_file, serving

GRPCIO = "grpcio==1.85.3"
_ECHO = """\
TAKES_CODECS = True


def initialize(model_entry, model_config):
    return bytes(60)


def process(model, request, codec):
    return model
"""


@dataclass(frozen=True)
class Engine:
    """A service of this project's engine, with gRPC and `/api/predict` on one port."""

    grpc: GrpcEndpoint
    eas: Endpoint
    workers: tuple[int, ...]


@contextlib.contextmanager
def engine(work: Path, message: bytes, body: bytes, *, echo: bool = False) -> Iterator[Engine]:
    """
    Serve the 784-256-10 model with batching, or a processor that always answers 60 bytes.

    `message` is for gRPC and `body` for `/api/predict`. Raises BenchError if it does not start.
    """
    content = service_file(work / "mlp", batching=True) | {"frontends": ["eas", "grpc"]}
    if echo:
        (work / "echo.py").write_text(_ECHO)
        content = {key: content[key] for key in ("name", "metadata", "frontends")}
        content |= {"processor_path": str(work / "echo.py")}
    with serving(work, content) as service:
        address = service.url.partition("//")[2].partition("/")[0]
        url = f"grpc://{address}/{content['name']}"
        yield Engine(
            GrpcEndpoint(url, message, service.token, service.pid),
            Endpoint(service.url, body, token=service.token, pid=service.pid),
            below(service.pid),
        )


@contextlib.contextmanager
def grpcio(
    script: str, work: Path, message: bytes, options: Sequence[str] = ()
) -> Iterator[GrpcEndpoint]:
    """Run one of the scripts in `servers/` on grpcio. Raises Unavailable if it does not start."""
    python = environment_python("grpcio", [TENSORFLOW, GRPCIO])
    port = free_port()
    scratch = work / f"grpcio-{port}"
    scratch.mkdir()
    endpoint = GrpcEndpoint(f"grpc://127.0.0.1:{port}/mlp", message)
    command = [python, HERE / "servers" / script, str(port), *options]
    with server(command, endpoint, scratch, BENCH_MODEL=str(work / "mlp")) as running:
        yield running


def stub_p50(endpoint: GrpcEndpoint, seconds: float) -> float:
    """Return the median latency of calls by grpcio's stub in ms, one call at a time."""
    address = endpoint.target.authority
    done = subprocess.run(
        [
            sys.executable,
            HERE / "servers" / "grpc_client.py",
            address,
            endpoint.token,
            str(seconds),
        ],
        input=endpoint.message,
        capture_output=True,
        check=False,
    )
    if done.returncode:
        raise Unavailable(f"the client of {endpoint.url} failed: {done.stderr.decode()[-300:]}")
    return float(done.stdout)
