"""
What a service file can say: one Struct per object, one field per key.

Each key carries its description, what it expects and its effect here; the JSON Schema, refusals,
notes about keys without effect and the test of docs/configuration.md are read from these classes.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct


class Effect(Enum):
    """What a key that is set does in this project."""

    USED = "used"
    ADVISORY = "advisory"  # states an intention that nothing enforces
    CLOUD = "cloud"  # only means something in the vendor's cloud
    LATER = "later"  # describes a feature that does not exist here yet
    NONE = "none"  # its description says why it has no effect


def key(
    description: str,
    expected: str = "",
    effect: Effect = Effect.USED,
    *,
    secret: bool = False,
    **limits: Any,
) -> Meta:
    """Return the annotation of one key; a secret's value is never repeated in a refusal."""
    extra = {"expected": expected, "effect": effect, "secret": secret}
    return Meta(description=description, extra=extra, **limits)


# `$` would let a newline through at the end, and JSON Schema does not know `\Z`.
_END = r"(?![\s\S])"
NAME_PATTERN = rf"^[A-Za-z0-9_][A-Za-z0-9_.-]{{0,63}}{_END}"
TOKEN_PATTERN = rf"^[!-~]{{0,512}}{_END}"
PEER_PATTERN = rf"^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):[0-9]{{1,5}}(=[0-9]{{1,6}})?{_END}"

NAME_RULE = "1 to 64 letters, digits, '_', '-' or '.', not beginning with '-' or '.'"
TOKEN_RULE = "text of up to 512 visible ASCII characters without spaces"
PEER_RULE = "HOST:PORT or HOST:PORT=WEIGHT, such as 10.0.0.2:8080=50"


def is_service_name(name: str) -> bool:
    """Tell whether a name fits into a path: those of models may have any character."""
    return re.match(NAME_PATTERN, name) is not None


_SHARE_RULE = "a number of instances or a percentage such as '20%'"

_INT_MAX = 2**31 - 1
Count = Annotated[int, Meta(ge=0, le=_INT_MAX)]
Positive = Annotated[int, Meta(ge=1, le=_INT_MAX)]
Few = Annotated[int, Meta(ge=1, le=1024)]
TokenText = Annotated[str, Meta(pattern=TOKEN_PATTERN)]
PeerText = Annotated[str, Meta(pattern=PEER_PATTERN)]
Frontend = Annotated[str, Meta(pattern=rf"^(eas|tfs|grpc){_END}")]
Share = Count | Annotated[str, Meta(pattern=rf"^[0-9]+%?{_END}")]


class Rpc(Struct, frozen=True, kw_only=True):
    """`metadata.rpc`: how requests wait, run together and end."""

    batching: Annotated[
        bool,
        key("Compute several requests in one run; only for models whose rows are independent."),
    ] = False
    max_batch_size: Annotated[
        Positive,
        key("Requests in one batch, at most.", "a number of requests above 0"),
    ] = 16
    max_batch_timeout: Annotated[
        Count | None,
        key(
            "Milliseconds that a batch waits for more requests until it is full; without it, none.",
            "a number of milliseconds, 0 or more",
        ),
    ] = None
    keepalive: Annotated[
        Positive,
        key(
            "Milliseconds that a request may take: receiving, queue and run. Then 408.",
            "a number of milliseconds above 0",
        ),
    ] = 5000
    io_threads: Annotated[
        Positive,
        key(
            "Threads for network input and output; here one engine process does all of it.",
            "a number of threads above 0",
            Effect.NONE,
        ),
    ] = 4
    worker_threads: Annotated[
        Few,
        key("Requests that an instance takes at a time.", "a number of threads from 1 to 1024"),
    ] = 5
    max_queue_size: Annotated[
        Count,
        key(
            "Requests that may wait for an instance; the next one gets 450. 0 is no queue.",
            "a number of requests, 0 or more",
        ),
    ] = 64
    rate_limit: Annotated[
        Count,
        key(
            "Requests a second for each instance; above that, 429. 0 is no limit.",
            "a number of requests a second, 0 or more",
        ),
    ] = 0
    enable_sigterm: Annotated[
        bool,
        key("Send SIGTERM to the processor when its instance stops."),
    ] = False
    enable_jemalloc: Annotated[
        bool,
        key("Use jemalloc in the processor; here LD_PRELOAD does that.", effect=Effect.NONE),
    ] = False


class RollingStrategy(Struct, frozen=True, kw_only=True):
    """`metadata.rolling_strategy`: how many instances an update adds and removes at a time."""

    max_surge: Annotated[
        Share,
        key("Extra instances during an update.", _SHARE_RULE),
    ] = "2%"
    max_unavailable: Annotated[
        Share,
        key("Instances that may be missing during an update.", _SHARE_RULE),
    ] = 0


class Eas(Struct, frozen=True, kw_only=True):
    """`metadata.eas`: what the vendor's files write as `eas.NAME`."""

    termination_grace_period: Annotated[
        Count,
        key(
            "Seconds that a stopping instance has for what it accepted.",
            "a number of seconds, 0 or more",
        ),
    ] = 30


class Metadata(Struct, frozen=True, kw_only=True):
    """`metadata`: instances, what each may use, and how they are called."""

    instance: Annotated[
        Few,
        key("Running copies of the service.", "a number of instances from 1 to 1024"),
    ] = 1
    cpu: Annotated[
        Annotated[float, Meta(gt=0, le=4096)] | None,
        key(
            "Cores for each instance; TensorFlow's thread pools follow it.",
            "a number of cores above 0",
        ),
    ] = None
    memory: Annotated[
        Positive | None,
        key(
            "Megabytes for each instance; stated, not enforced.",
            "a number of megabytes above 0",
            Effect.ADVISORY,
        ),
    ] = None
    gpu: Annotated[
        Annotated[float, Meta(ge=0, le=4096)],
        key(
            "GPU cards for each instance; without any, a GPU build runs on the CPU.",
            "a number of cards, 0 or more",
        ),
    ] = 0
    rpc: Annotated[Rpc, key("How requests are taken in.")] = Rpc()
    rolling_strategy: Annotated[
        RollingStrategy,
        key("How instances are replaced during an update."),
    ] = RollingStrategy()
    eas: Annotated[
        Eas,
        key("Holds the key that is usually written `eas.termination_grace_period`."),
    ] = Eas()
    gpu_memory: Annotated[
        Annotated[float, Meta(gt=0, le=4096)] | None,
        key("GiB of a card's memory for each instance.", "a number of GiB above 0"),
    ] = None
    gpu_core_percentage: Annotated[Any, key("Share of a GPU.", effect=Effect.CLOUD)] = None
    qos: Annotated[Any, key("Quality of service class.", effect=Effect.CLOUD)] = None
    resource: Annotated[Any, key("Resource group.", effect=Effect.CLOUD)] = None
    workspace_id: Annotated[Any, key("Workspace.", effect=Effect.CLOUD)] = None
    region: Annotated[Any, key("Region.", effect=Effect.CLOUD)] = None
    cuda: Annotated[Any, key("CUDA version that is mounted.", effect=Effect.CLOUD)] = None
    rdma: Annotated[Any, key("Remote direct memory access.", effect=Effect.CLOUD)] = None
    enable_grpc: Annotated[Any, key("gRPC at the gateway.", effect=Effect.CLOUD)] = None
    enable_webservice: Annotated[Any, key("Web application.", effect=Effect.CLOUD)] = None
    shm_size: Annotated[Any, key("Gigabytes of shared memory.", effect=Effect.CLOUD)] = None
    scheduling: Annotated[Any, key("Spread over hosts and zones.", effect=Effect.CLOUD)] = None
    resource_rebalancing: Annotated[
        Any,
        key("Move to resources of higher priority.", effect=Effect.CLOUD),
    ] = None
    resource_burstable: Annotated[Any, key("Elastic resource pool.", effect=Effect.CLOUD)] = None
    workload_type: Annotated[Any, key("Elastic job.", effect=Effect.CLOUD)] = None
    type: Annotated[Any, key("Asynchronous or gateway service.", effect=Effect.LATER)] = None
    group: Annotated[Any, key("Service group.", effect=Effect.CLOUD)] = None
    release: Annotated[Any, key("Blue-green release.", effect=Effect.CLOUD)] = None
    role: Annotated[Any, key("Role in a composed service.", effect=Effect.CLOUD)] = None
    traffic_state: Annotated[Any, key("Share in a group's traffic.", effect=Effect.CLOUD)] = None


class Runtime(Struct, frozen=True, kw_only=True):
    """`runtime`: what happens to an instance that crashed."""

    enable_crash_block: Annotated[
        bool,
        key("Leave a crashed instance dead, to look at it; otherwise it is started again."),
    ] = False


class GatewayLimit(Struct, frozen=True, kw_only=True):
    """A limit of `networking.gateway_policy`, and whether it holds."""

    enable: Annotated[bool, key("Whether the limit holds.")] = False
    limit: Annotated[
        Count,
        key("The limit; 0 is none.", "a number, 0 or more"),
    ] = 0


class GatewayPolicy(Struct, frozen=True, kw_only=True):
    """`networking.gateway_policy`: limits over all instances together."""

    rate_limit: Annotated[
        GatewayLimit,
        key("Requests a second over all instances."),
    ] = GatewayLimit()
    concurrency_limit: Annotated[
        GatewayLimit,
        key("Requests in flight over all instances."),
    ] = GatewayLimit()


class Networking(Struct, frozen=True, kw_only=True):
    """`networking`: the gateway in front, and other engines of the same service."""

    gateway: Annotated[Any, key("Gateway that the service is behind.", effect=Effect.CLOUD)] = None
    gateway_policy: Annotated[
        GatewayPolicy,
        key("Limits over all instances together."),
    ] = GatewayPolicy()
    peers: Annotated[
        list[PeerText],
        key(
            "Engines that serve the same, for clients with a direct connection.",
            f"a list of {PEER_RULE}",
        ),
    ] = []


class Service(Struct, frozen=True, kw_only=True):
    """One model, how it is served, and to whom."""

    name: Annotated[
        str,
        key("The service's name: the last part of its URL.", NAME_RULE, pattern=NAME_PATTERN),
    ]
    processor: Annotated[
        str,
        key(
            "The processor build that runs the model, or the code of `processor_path`.",
            "a name such as 'tensorflow_cpu'",
        ),
    ] = ""
    model_path: Annotated[
        str,
        key(
            "A directory, file, archive or http(s) URL; relative to the service file.",
            "a path or a URL",
        ),
    ] = ""
    model_entry: Annotated[
        str,
        key("File or directory inside the model; without it, all of it.", "a relative path"),
    ] = ""
    model_config: Annotated[
        str,
        key("Second argument of the processor's `initialize`.", "text or an object"),
    ] = ""
    warm_up_data_path: Annotated[
        str,
        key(
            "Requests that run before an instance takes traffic: a path or an http(s) URL.",
            "a path or a URL",
        ),
    ] = ""
    token: Annotated[
        TokenText | None,
        key(
            "What a caller must show; without it one is made and kept, '' is a public service.",
            TOKEN_RULE,
            secret=True,
        ),
    ] = None
    previous_token: Annotated[
        TokenText | None,
        key(
            "The token before a change of `token`: let in as well, until this key is taken away.",
            TOKEN_RULE,
            secret=True,
        ),
    ] = None
    generate_token: Annotated[
        bool | None,
        key("Whether a token is made when none is given; false is a public service."),
    ] = None
    frontends: Annotated[
        list[Frontend],
        key(
            "Protocols that answer: `eas`, `tfs` for TensorFlow Serving's REST routes, and `grpc` "
            "for its gRPC services.",
            "a list of 'eas', 'tfs' and 'grpc'",
        ),
    ] = msgspec.field(default_factory=lambda: ["eas"])
    metadata: Annotated[Metadata, key("Instances and how they take requests.")] = Metadata()
    runtime: Annotated[Runtime, key("What happens around an instance.")] = Runtime()
    networking: Annotated[Networking, key("What stands before the instances.")] = Networking()
    autoscaler: Annotated[Any, key("Rules for the number of instances.", effect=Effect.LATER)] = (
        None
    )
    metrics: Annotated[Any, key("Metrics of a custom processor.", effect=Effect.LATER)] = None
    processor_path: Annotated[
        str,
        key(
            "Custom processor: a directory, file, archive or URL, as `model_path` has them.",
            "a path or a URL",
        ),
    ] = ""
    processor_entry: Annotated[
        str,
        key("Custom processor: the file to load, inside `processor_path`.", "a relative path"),
    ] = ""
    processor_type: Annotated[
        str,
        key(
            "Custom processor: its language, `python` or `cpp`; without it, the file's name tells.",
            "'python' or 'cpp'",
            pattern=r"^([Pp]ython|PYTHON|[Cc](pp|\+\+)?|CPP|)$",
        ),
    ] = ""
    processor_mainclass: Annotated[
        Any,
        key("Custom processor: Java class; refused.", effect=Effect.LATER),
    ] = None
    models: Annotated[Any, key("Several models in one service.", effect=Effect.LATER)] = None
    processors: Annotated[Any, key("Processors of several models.", effect=Effect.LATER)] = None
    uncompress: Annotated[
        Any,
        key("Unpack the model; here an archive always is.", effect=Effect.NONE),
    ] = None
    oss_endpoint: Annotated[
        str,
        key(
            "Endpoint of the bucket of an `oss://` URL.",
            "a host or URL, such as oss-cn-shanghai.aliyuncs.com",
        ),
    ] = ""
    role_arn: Annotated[Any, key("Role that reads object storage.", effect=Effect.CLOUD)] = None
    labels: Annotated[Any, key("Keys and values for people.", effect=Effect.ADVISORY)] = None
    storage: Annotated[Any, key("Mounts.", effect=Effect.CLOUD)] = None
    cloud: Annotated[Any, key("Machines and networks.", effect=Effect.CLOUD)] = None
    containers: Annotated[Any, key("Image deployment.", effect=Effect.CLOUD)] = None
    dockerAuth: Annotated[  # noqa: N815 - the vendor's spelling
        Any,
        key("Credentials for an image.", effect=Effect.CLOUD, secret=True),
    ] = None
    aimaster: Annotated[Any, key("Distributed serving.", effect=Effect.CLOUD)] = None
    unit: Annotated[Any, key("Distributed serving: size.", effect=Effect.CLOUD)] = None
    sinker: Annotated[Any, key("Keeps requests and answers.", effect=Effect.CLOUD)] = None
    confidential: Annotated[Any, key("Confidential computing.", effect=Effect.CLOUD)] = None
    features: Annotated[Any, key("Switches of the cloud.", effect=Effect.CLOUD)] = None

    def __repr__(self) -> str:
        """Leave out the token and what a URL may carry."""
        return f"Service(name={self.name!r}, processor={self.processor!r})"


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a service file, with a description for every key."""
    schema = msgspec.json.schema(Service)
    service = schema["$defs"]["Service"]
    service["required"].remove("name")
    in_metadata = {"required": ["metadata"], "properties": {"metadata": {"required": ["name"]}}}
    built_in, custom = ["processor", "model_path"], ["processor_path"]
    service["allOf"] = [
        {"anyOf": [{"required": ["name"]}, in_metadata]},
        {"anyOf": [{"required": built_in}, {"required": custom}]},
    ]
    return schema
