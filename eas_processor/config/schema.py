"""
The keys of a service file: one Struct for each object, one field for each key.

Each key has a description, the expected value and its effect. The JSON Schema, the errors, the
notes about keys without effect and the reference of the documentation are made from these classes.
"""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from eas_processor.config.values import (
    NAME_PATTERN,
    NAME_RULE,
    PEER_RULE,
    SHARE_RULE,
    TOKEN_RULE,
    Count,
    Few,
    Frontend,
    PeerText,
    Positive,
    Share,
    TokenText,
)


class Effect(Enum):
    """The effect that a key has in this project."""

    USED = "used"
    ADVISORY = "advisory"  # accepted, but not enforced
    CLOUD = "cloud"  # has a meaning only in the vendor's cloud
    LATER = "later"  # belongs to a feature that does not exist here yet
    NONE = "none"  # has no effect, for the reason in its description


def key(
    description: str,
    expected: str = "",
    effect: Effect = Effect.USED,
    *,
    secret: bool = False,
    **limits: Any,
) -> Meta:
    """Return the annotation of one key. No error shows the value of a secret."""
    extra = {"expected": expected, "effect": effect, "secret": secret}
    return Meta(description=description, extra=extra, **limits)


class Rpc(Struct, frozen=True, kw_only=True):
    """`metadata.rpc`: batching, the queue, threads and limits."""

    batching: Annotated[
        bool,
        key("Compute several requests in one run, for models whose rows are independent."),
    ] = False
    max_batch_size: Annotated[
        Positive,
        key("The most requests in one batch.", "a number of requests above 0"),
    ] = 16
    max_batch_timeout: Annotated[
        Count | None,
        key(
            "Milliseconds that a batch waits for more requests; without it, a batch never waits.",
            "a number of milliseconds, 0 or more",
        ),
    ] = None
    keepalive: Annotated[
        Positive,
        key(
            "Milliseconds for receiving, queueing and running a request. After that it gets 408.",
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
        key("Requests that an instance runs at a time.", "a number of threads from 1 to 1024"),
    ] = 5
    max_queue_size: Annotated[
        Count,
        key(
            "Requests that may wait for an instance; further ones get 450. 0 means no queue.",
            "a number of requests, 0 or more",
        ),
    ] = 64
    rate_limit: Annotated[
        Count,
        key(
            "Requests per second for each instance; further ones get 429. 0 means no limit.",
            "a number of requests a second, 0 or more",
        ),
    ] = 0
    enable_sigterm: Annotated[
        bool,
        key("Send SIGTERM to the processor when its instance stops."),
    ] = False
    enable_jemalloc: Annotated[
        bool,
        key("Use jemalloc in the processor; set LD_PRELOAD instead.", effect=Effect.NONE),
    ] = False


class RollingStrategy(Struct, frozen=True, kw_only=True):
    """`metadata.rolling_strategy`: how many instances an update adds and removes at a time."""

    max_surge: Annotated[
        Share,
        key("Extra instances during an update.", SHARE_RULE),
    ] = "2%"
    max_unavailable: Annotated[
        Share,
        key("Instances that may be missing during an update.", SHARE_RULE),
    ] = 0


class Eas(Struct, frozen=True, kw_only=True):
    """`metadata.eas`: the keys that the vendor's files write as `eas.NAME`."""

    termination_grace_period: Annotated[
        Count,
        key(
            "Seconds in which a stopping instance may finish the requests that it accepted.",
            "a number of seconds, 0 or more",
        ),
    ] = 30


class Metadata(Struct, frozen=True, kw_only=True):
    """`metadata`: the number of instances, their resources, and their limits."""

    instance: Annotated[
        Few,
        key("The number of running copies.", "a number of instances from 1 to 1024"),
    ] = 1
    cpu: Annotated[
        Annotated[float, Meta(gt=0, le=4096)] | None,
        key(
            "Cores for each instance; sets the size of TensorFlow's thread pools.",
            "a number of cores above 0",
        ),
    ] = None
    memory: Annotated[
        Positive | None,
        key(
            "Megabytes of memory for each instance; not enforced.",
            "a number of megabytes above 0",
            Effect.ADVISORY,
        ),
    ] = None
    gpu: Annotated[
        Annotated[float, Meta(ge=0, le=4096)],
        key(
            "GPUs for each instance; with 0, a GPU build runs on the CPU.",
            "a number of GPUs, 0 or more",
        ),
    ] = 0
    rpc: Annotated[Rpc, key("Batching, the queue, threads and limits.")] = Rpc()
    rolling_strategy: Annotated[
        RollingStrategy,
        key("How many instances an update replaces at a time."),
    ] = RollingStrategy()
    eas: Annotated[
        Eas,
        key("Holds the key that is usually written `eas.termination_grace_period`."),
    ] = Eas()
    gpu_memory: Annotated[
        Annotated[float, Meta(gt=0, le=4096)] | None,
        key("GiB of a GPU's memory for each instance.", "a number of GiB above 0"),
    ] = None
    gpu_core_percentage: Annotated[Any, key("Share of a GPU.", effect=Effect.CLOUD)] = None
    qos: Annotated[Any, key("Quality of service class.", effect=Effect.CLOUD)] = None
    resource: Annotated[Any, key("Resource group.", effect=Effect.CLOUD)] = None
    workspace_id: Annotated[Any, key("Workspace.", effect=Effect.CLOUD)] = None
    region: Annotated[Any, key("Region.", effect=Effect.CLOUD)] = None
    cuda: Annotated[Any, key("CUDA version to mount.", effect=Effect.CLOUD)] = None
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
    """`runtime`: the treatment of crashed instances."""

    enable_crash_block: Annotated[
        bool,
        key("Do not restart a crashed instance, so that it can be examined."),
    ] = False


class GatewayLimit(Struct, frozen=True, kw_only=True):
    """A limit of `networking.gateway_policy`, and whether it applies."""

    enable: Annotated[bool, key("Whether the limit applies.")] = False
    limit: Annotated[
        Count,
        key("The limit; 0 means none.", "a number, 0 or more"),
    ] = 0


class GatewayPolicy(Struct, frozen=True, kw_only=True):
    """`networking.gateway_policy`: limits over all instances together."""

    rate_limit: Annotated[
        GatewayLimit,
        key("Requests per second over all instances."),
    ] = GatewayLimit()
    concurrency_limit: Annotated[
        GatewayLimit,
        key("Requests at the same time over all instances."),
    ] = GatewayLimit()


class Networking(Struct, frozen=True, kw_only=True):
    """`networking`: the gateway in front, and other engines of the same service."""

    gateway: Annotated[Any, key("Gateway in front of the service.", effect=Effect.CLOUD)] = None
    gateway_policy: Annotated[
        GatewayPolicy,
        key("Limits over all instances together."),
    ] = GatewayPolicy()
    peers: Annotated[
        list[PeerText],
        key(
            "Other engines of this service, which clients with a direct connection call too.",
            f"a list of {PEER_RULE}",
        ),
    ] = []


class Service(Struct, frozen=True, kw_only=True):
    """The outermost object: a model, its processor, and the settings of its service."""

    name: Annotated[
        str,
        key("The service's name: the last part of its URL.", NAME_RULE, pattern=NAME_PATTERN),
    ]
    processor: Annotated[
        str,
        key(
            "The processor build that runs the model or the code of `processor_path`.",
            "a name such as 'tensorflow_cpu'",
        ),
    ] = ""
    model_path: Annotated[
        str,
        key(
            "The model: a path, relative to the service file, or a URL of a file or archive.",
            "a path or a URL",
        ),
    ] = ""
    model_entry: Annotated[
        str,
        key("File or directory inside the model; without it, the whole model.", "a relative path"),
    ] = ""
    model_config: Annotated[
        str,
        key("The second argument of the processor's `initialize`.", "text or an object"),
    ] = ""
    warm_up_data_path: Annotated[
        str,
        key(
            "A file of requests that run before an instance takes calls: a path or a URL.",
            "a path or a URL",
        ),
    ] = ""
    token: Annotated[
        TokenText | None,
        key(
            "The secret of clients. Without the key, one is made; '' makes the service public.",
            TOKEN_RULE,
            secret=True,
        ),
    ] = None
    previous_token: Annotated[
        TokenText | None,
        key(
            "The old token during a change of `token`; it is valid until this key is removed.",
            TOKEN_RULE,
            secret=True,
        ),
    ] = None
    generate_token: Annotated[
        bool | None,
        key("Whether a token is made if none is given; false makes the service public."),
    ] = None
    frontends: Annotated[
        list[Frontend],
        key(
            "The protocols of the service: `eas`, `tfs` for TensorFlow Serving's REST routes, and "
            "`grpc` for its gRPC services.",
            "a list of 'eas', 'tfs' and 'grpc'",
        ),
    ] = msgspec.field(default_factory=lambda: ["eas"])
    metadata: Annotated[Metadata, key("Instances, their resources, and limits.")] = Metadata()
    runtime: Annotated[Runtime, key("The treatment of crashed instances.")] = Runtime()
    networking: Annotated[Networking, key("Gateway limits, and other engines.")] = Networking()
    autoscaler: Annotated[Any, key("Rules for the number of instances.", effect=Effect.LATER)] = (
        None
    )
    metrics: Annotated[Any, key("Metrics of a custom processor.", effect=Effect.LATER)] = None
    processor_path: Annotated[
        str,
        key(
            "Custom processor: its code, a path or a URL like `model_path`.",
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
            "Custom processor: its language; without it, the file's suffix decides.",
            "'python' or 'cpp'",
            pattern=r"^([Pp]ython|PYTHON|[Cc](pp|\+\+)?|CPP|)$",
        ),
    ] = ""
    processor_mainclass: Annotated[
        Any,
        key("Custom processor: its Java class, which is refused.", effect=Effect.LATER),
    ] = None
    models: Annotated[Any, key("Several models in one service.", effect=Effect.LATER)] = None
    processors: Annotated[Any, key("Processors of several models.", effect=Effect.LATER)] = None
    uncompress: Annotated[
        Any,
        key("Unpack the model; here an archive is always unpacked.", effect=Effect.NONE),
    ] = None
    oss_endpoint: Annotated[
        str,
        key(
            "The endpoint for `oss://` URLs.",
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
    sinker: Annotated[Any, key("Storage of requests and answers.", effect=Effect.CLOUD)] = None
    confidential: Annotated[Any, key("Confidential computing.", effect=Effect.CLOUD)] = None
    features: Annotated[Any, key("Switches of the cloud.", effect=Effect.CLOUD)] = None

    def __repr__(self) -> str:
        """Leave out the token, and URLs, which may have credentials."""
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
