"""What the engine is told when it starts: the service file and the command line, resolved."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

MIB = 1024 * 1024
ENVELOPE = 64 * 1024
"""What a body may have above its limit: names and shapes around a tensor that fills it."""


OWN_WEIGHT = 100
"""The weight of an engine, where none is given."""


class Peer(NamedTuple):
    """The address of an engine, and the share of the traffic that it is to get."""

    ip: str
    port: int
    weight: int = OWN_WEIGHT


@dataclass(frozen=True)
class WorkerSettings:
    """How a worker is started, and what it loads."""

    build: str
    python: Path
    code: Path
    hooks: str
    model_entry: Path
    model_config: str
    threads: int
    batch_size: int
    """Requests run together; 1 unless `metadata.rpc.batching` is on."""
    directory: Path | None = None
    """Where its processes run; None for the engine's own current directory."""
    sigterm: bool = False
    """Whether the processor's SIGTERM handler is run before the worker ends."""
    batch_wait: float = 0.0
    """Seconds that a batch which is not full waits for more requests."""
    environment: dict[str, str] = field(default_factory=dict)
    """What the build's processes have beside the engine's own environment."""
    gpus: tuple[str, ...] = ()
    """The GPUs to share out, under their names in CUDA_VISIBLE_DEVICES."""
    gpus_each: int = 0
    start_timeout: float = 0.0
    """What loading may take, where that is more than the engine's own limit, in seconds."""


@dataclass(frozen=True)
class ServiceSettings:
    """One service, as the engine needs to know it. Times are in seconds."""

    name: str
    token: str
    """Empty for a public service."""
    worker: WorkerSettings
    previous_token: str = ""
    """Let in as well, while clients change over; empty for none."""
    keepalive: float = 5.0
    max_queue_size: int = 64
    rate_limit: float = 0.0
    """Requests a second, over all instances; 0 for no limit."""
    instances: int = 1
    restart_crashed: bool = True
    retry_crashed: bool = True
    """Whether requests caught in a worker's death are tried again."""
    max_run: float = 0.0
    """How long a request may be in a worker before the worker is killed; 0 for no limit."""
    warm_up: tuple[bytes, ...] = field(default=(), repr=False)
    model_stamp: str = ""
    """Changes with the model's files, also where their path stays the same."""
    grace: float = 30.0
    """How long a shutdown, and an instance that an update takes away, has for what it accepted."""
    max_surge: int | str = "2%"
    max_unavailable: int | str = 0
    """Of an update: instances above, and below, `instances`; a number or a percentage."""
    gateway_rate: float = 0.0
    """Requests a second over all instances; 0 for no limit."""
    gateway_concurrency: int = 0
    """Requests on their way over all instances; 0 for no limit."""
    frontends: frozenset[str] = frozenset(["eas"])
    """The protocols that may call it."""
    peers: tuple[Peer, ...] = ()
    """Other engines that serve the same, for clients with a direct connection."""

    def needs_new_workers(self, before: ServiceSettings) -> bool:
        """Whether workers that were started with the settings `before` cannot serve these."""
        return (self.worker, self.warm_up, self.model_stamp) != (
            before.worker,
            before.warm_up,
            before.model_stamp,
        )

    @property
    def credit(self) -> int:
        """Requests that one worker holds: what it runs at a time, or with batching two batches."""
        return self.worker.threads if self.worker.batch_size == 1 else 2 * self.worker.batch_size


@dataclass(frozen=True)
class GrpcSettings:
    """How an engine speaks gRPC."""

    beside_http: bool = False
    """Whether the port of HTTP takes gRPC too."""
    port: int | None = None
    """A port of its own, on the same address."""
    socket_path: str = ""
    """A Unix socket, whose path is taken over; empty for none."""
    context: ssl.SSLContext | None = field(default=None, repr=False)
    """For TLS on the port of its own."""
    as_content: bool = False
    """Whether answers have their values in `tensor_content`."""
    health: bool = False
    """Whether `grpc.health.v1` answers."""
    profiler: bool = False
    """Whether `tensorflow.ProfilerService` answers."""


@dataclass(frozen=True)
class EngineSettings:
    """The engine itself. Times are in seconds, sizes in bytes."""

    host: str = "127.0.0.1"
    port: int = 8080
    listens_for_http: bool = True
    port_option: str = "--port"
    """What sets the port on the command line."""
    tls_cert: Path | None = None
    """A PEM file; None speaks plain HTTP."""
    tls_key: Path | None = None
    """None where the key is in `tls_cert` too."""
    drain_moment: float = 1.0
    """How long a shutdown still accepts, so that clients move on before the listener closes."""
    max_body: int = 64 * MIB + ENVELOPE
    max_buffered: int = 512 * MIB
    """Bodies, and answers that are kept or not read, at a time, over all connections."""
    max_connections: int = 10_000
    max_head: int = 64 * 1024
    """Names and values of the headers."""
    head_timeout: float = 10.0
    idle_timeout: float = 650.0
    """Above the 600 s for which a balancer may keep one: a request on its way would be lost."""
    send_timeout: float = 60.0
    """How long a client may take nothing of an answer that is there."""
    grpc: GrpcSettings | None = None
    """None where gRPC is not spoken."""
    cors: bool = False
    """Whether browsers of any origin may call the REST routes of TensorFlow Serving."""
    monitoring_path: str = ""
    """Where TensorFlow Serving's page of metrics is, beside `/metrics`; empty for nowhere."""
    any_path: bool = False
    """Whether every path that is not the engine's own means its one service."""
    access_log: float = 0.0
    """The share of answers that are logged."""
    traces: str = ""
    """The OpenTelemetry collector that gets a span of each answer; empty for none."""
    admin_port: int = 0
    """Where the admin routes are, on 127.0.0.1; 0 takes a free port."""
    admin_token: str = field(default="", repr=False)
    """Opens the admin routes for all services, beside each service's own admin token."""
    metrics_token: str = field(default="", repr=False)
    """Shows the metrics of all services, where there are several."""
    peers: tuple[Peer, ...] = ()
    """Other engines that serve the same services."""
    start_timeout: float = 600.0
    """How long loading and warming up a model may take."""
