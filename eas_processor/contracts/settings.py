"""The settings of the engine, resolved from the service files and the command line."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

MIB = 1024 * 1024
ENVELOPE = 64 * 1024
"""Bytes that a body may have beyond the limit, for names and shapes around a full tensor."""


OWN_WEIGHT = 100
"""The default weight of an engine."""


class Peer(NamedTuple):
    """The address of an engine, and its weight when traffic is shared out."""

    ip: str
    port: int
    weight: int = OWN_WEIGHT


@dataclass(frozen=True)
class WorkerSettings:
    """How a worker is started and which model it loads. Times are in seconds."""

    build: str
    python: Path
    code: Path
    hooks: str
    model_entry: Path
    model_config: str
    threads: int
    batch_size: int
    """The most requests that run together; 1 unless `metadata.rpc.batching` is on."""
    directory: Path | None = None
    """The working directory of its processes; None for the engine's own."""
    sigterm: bool = False
    """Whether the processor's SIGTERM handler runs before the worker ends."""
    batch_wait: float = 0.0
    """How long a batch that is not full waits for more requests."""
    environment: dict[str, str] = field(default_factory=dict)
    """Environment variables of its processes, in addition to the engine's own."""
    gpus: tuple[str, ...] = ()
    """The GPUs that its instances share, by their names in CUDA_VISIBLE_DEVICES."""
    gpus_each: int = 0
    """The number of GPUs for each instance."""
    start_timeout: float = 0.0
    """The time limit for loading, if it is longer than the engine's own; 0 for none."""


@dataclass(frozen=True)
class ServiceSettings:
    """The settings of one service. Times are in seconds."""

    name: str
    token: str
    """Empty for a public service."""
    worker: WorkerSettings
    previous_token: str = ""
    """A second valid token, while clients change to the new one; empty for none."""
    keepalive: float = 5.0
    max_queue_size: int = 64
    rate_limit: float = 0.0
    """Requests per second over all instances; 0 for no limit."""
    instances: int = 1
    restart_crashed: bool = True
    retry_crashed: bool = True
    """Whether requests that a worker held when it died are retried."""
    max_run: float = 0.0
    """How long a worker may run one request before it is killed; 0 for no limit."""
    warm_up: tuple[bytes, ...] = field(default=(), repr=False)
    model_stamp: str = ""
    """A fingerprint of the model's files; it changes even if their path stays the same."""
    grace: float = 30.0
    """How long a shutdown or an update waits for accepted requests."""
    max_surge: int | str = "2%"
    """How many instances an update may have above `instances`; a number or a percentage."""
    max_unavailable: int | str = 0
    """How many instances an update may be short of `instances`; a number or a percentage."""
    gateway_rate: float = 0.0
    """Requests per second over all instances; 0 for no limit."""
    gateway_concurrency: int = 0
    """Unanswered requests over all instances; 0 for no limit."""
    frontends: frozenset[str] = frozenset(["eas"])
    """The protocols through which it can be called."""
    peers: tuple[Peer, ...] = ()
    """Other engines with the same service, for clients with direct connections."""

    def needs_new_workers(self, before: ServiceSettings) -> bool:
        """Whether workers that were started with `before` cannot be kept for these settings."""
        return (self.worker, self.warm_up, self.model_stamp) != (
            before.worker,
            before.warm_up,
            before.model_stamp,
        )

    @property
    def credit(self) -> int:
        """The most requests that one worker holds: one for each thread, or two full batches."""
        return self.worker.threads if self.worker.batch_size == 1 else 2 * self.worker.batch_size


@dataclass(frozen=True)
class GrpcSettings:
    """The settings of gRPC."""

    beside_http: bool = False
    """Whether the HTTP port accepts gRPC too."""
    port: int | None = None
    """A separate port for gRPC, on the same address; None for no such port."""
    socket_path: str = ""
    """The path of a Unix socket, which replaces an older socket there; empty for none."""
    context: ssl.SSLContext | None = field(default=None, repr=False)
    """The TLS context of the separate port."""
    as_content: bool = False
    """Whether answers carry their values in `tensor_content`."""
    health: bool = False
    """Whether `grpc.health.v1` is served."""
    profiler: bool = False
    """Whether `tensorflow.ProfilerService` is served."""


@dataclass(frozen=True)
class EngineSettings:
    """The settings of the engine itself. Times are in seconds, sizes in bytes."""

    host: str = "127.0.0.1"
    port: int = 8080
    listens_for_http: bool = True
    port_option: str = "--port"
    """The command-line option that sets the port, for error messages."""
    tls_cert: Path | None = None
    """A PEM file with the certificate; None for HTTP without TLS."""
    tls_key: Path | None = None
    """A PEM file with the key; None if the key is in `tls_cert`."""
    drain_moment: float = 1.0
    """How long a shutdown keeps the listener open, so that clients can move to another engine."""
    max_body: int = 64 * MIB + ENVELOPE
    max_buffered: int = 512 * MIB
    """The most bytes of bodies and of unread or kept answers, over all connections."""
    max_connections: int = 10_000
    max_head: int = 64 * 1024
    """The most bytes of header names and values."""
    head_timeout: float = 10.0
    idle_timeout: float = 650.0
    """
    How long a connection may be idle.

    A load balancer may keep a connection for 600 s. The engine waits longer, so that it does not
    close a connection on which a request is arriving.
    """
    send_timeout: float = 60.0
    """How long a client may read nothing of an answer before its connection is closed."""
    grpc: GrpcSettings | None = None
    """None if gRPC is off."""
    cors: bool = False
    """Whether browsers of any origin may call the REST routes of TensorFlow Serving."""
    monitoring_path: str = ""
    """The path of TensorFlow Serving's metrics page, in addition to `/metrics`; empty for none."""
    any_path: bool = False
    """Whether every path that is not one of the engine's own calls its only service."""
    access_log: float = 0.0
    """The fraction of answers that are logged, 0 to 1."""
    traces: str = ""
    """The URL of the OpenTelemetry collector that gets a span for each answer; empty for none."""
    admin_port: int = 0
    """The port of the admin routes on 127.0.0.1; 0 for any free port."""
    admin_token: str = field(default="", repr=False)
    """Opens the admin routes of all services. Each service also has an admin token of its own."""
    metrics_token: str = field(default="", repr=False)
    """Opens the metrics of all services if there are several."""
    peers: tuple[Peer, ...] = ()
    """Other engines with the same services."""
    start_timeout: float = 600.0
    """The time limit for loading and warming up a model."""
