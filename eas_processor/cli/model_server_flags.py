"""The flags of `tensorflow_model_server`, read as TensorFlow Serving reads them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from eas_processor.errors import CallError

_INT_MAX = 2**31 - 1


class Flag(NamedTuple):
    """A flag. The type of its value is that of its default."""

    default: bool | int | float | str
    help: str = ""
    no_effect: str = ""
    """Why it has no effect here, "" if it has one."""


_ONE_LOOP = "one event loop serves all connections"
_OWN_PROCESS = "each version has a process of its own"
_NOT_BUILT = "is not built into this server"

FLAGS: dict[str, Flag] = {
    "port": Flag(8500, "the port for gRPC on all interfaces, 0 for none"),
    "grpc_socket_path": Flag("", "the path of a Unix socket for gRPC"),
    "rest_api_port": Flag(0, "the port for REST on all interfaces, 0 for none"),
    "rest_api_num_threads": Flag(0, no_effect=_ONE_LOOP),
    "rest_api_timeout_in_ms": Flag(30000, "the time limit of a REST call"),
    "rest_api_enable_cors_support": Flag(False, "allow calls from browsers of any origin"),
    "enable_batching": Flag(False, "join requests of one signature in one run"),
    "batching_parameters_file": Flag("", "a BatchingParameters file"),
    "enable_per_model_batching_parameters": Flag(
        False, "use batching_params.pbtxt in the directory of each version"
    ),
    "allow_version_labels_for_unavailable_models": Flag(
        False, "allow new labels for versions that are not loaded"
    ),
    "model_config_file": Flag("", "a ModelServerConfig file that names the models"),
    "model_config_file_poll_wait_seconds": Flag(
        0, "the seconds between reads of that file, 0 for one read"
    ),
    "model_name": Flag("default", "the name of the model in model_base_path"),
    "model_base_path": Flag("", "the directory with the numbered versions of one model"),
    "num_load_threads": Flag(0, no_effect="as many models load at once as there are cores"),
    "num_unload_threads": Flag(0, no_effect="versions are unloaded concurrently"),
    "max_num_load_retries": Flag(5, "how often a failed load of a version is retried"),
    "load_retry_interval_micros": Flag(60_000_000, "the microseconds between these attempts"),
    "file_system_poll_wait_seconds": Flag(
        1, "the seconds between looks for new versions, 0 for one look"
    ),
    "flush_filesystem_caches": Flag(True, no_effect="the kernel decides what it caches"),
    "tensorflow_session_parallelism": Flag(
        0, "the threads of TensorFlow for each version, within and between ops"
    ),
    "tensorflow_session_config_file": Flag(
        "", "a ConfigProto file with numbers of threads and gpu_options"
    ),
    "tensorflow_intra_op_parallelism": Flag(0, "the threads of TensorFlow within an op"),
    "tensorflow_inter_op_parallelism": Flag(0, "the threads of TensorFlow between ops"),
    "use_alts_credentials": Flag(False, no_effect=f"ALTS {_NOT_BUILT}"),
    "ssl_config_file": Flag("", "an SSLConfig file with key and certificates for gRPC"),
    "platform_config_file": Flag("", no_effect="use the batching and session flags instead"),
    "per_process_gpu_memory_fraction": Flag(0.0, "the share of a GPU's memory for each version"),
    "saved_model_tags": Flag("serve", "the tags of the graph to serve"),
    "grpc_channel_arguments": Flag(
        "", "key=value,...: grpc.max_connection_idle_ms and grpc.max_receive_message_length"
    ),
    "grpc_max_threads": Flag(0, no_effect=_ONE_LOOP),
    "enable_model_warmup": Flag(
        True, "replay assets.extra/tf_serving_warmup_requests before serving"
    ),
    "num_request_iterations_for_warmup": Flag(0, "how often each of these requests is replayed"),
    "version": Flag(False, "print the version and exit"),
    "monitoring_config_file": Flag(
        "", "a MonitoringConfig file with the path of Prometheus metrics"
    ),
    "remove_unused_fields_from_bundle_metagraph": Flag(True, no_effect=_OWN_PROCESS),
    "prefer_tflite_model": Flag(
        False, "serve model.tflite in the directory of a version if it exists"
    ),
    "num_tflite_pools": Flag(0, no_effect=_OWN_PROCESS),
    "num_tflite_interpreters_per_pool": Flag(1, no_effect=_OWN_PROCESS),
    "enable_signature_method_name_check": Flag(
        False, "accept a signature only for the method that it names"
    ),
    "xla_cpu_compilation_enabled": Flag(
        False, no_effect=f"XLA's just-in-time compiler {_NOT_BUILT}"
    ),
    "xla_gpu_compilation_enabled": Flag(
        False, no_effect=f"XLA's just-in-time compiler {_NOT_BUILT}"
    ),
    "enable_profiler": Flag(True, "let TensorBoard profile the models"),
    "thread_pool_factory_config_file": Flag("", no_effect="TensorFlow's own thread pools are used"),
    "mixed_precision": Flag("", no_effect=f"a rewrite to bfloat16 {_NOT_BUILT}"),
    "skip_initialize_tpu": Flag(False, no_effect="there are no TPUs here"),
    "enable_grpc_healthcheck_service": Flag(False, "answer the health service of gRPC"),
    "enable_serialization_as_tensor_content": Flag(False, "answer Predict with tensor_content"),
}

_TRUE, _FALSE = ("true", "t", "1", "yes", "y"), ("false", "f", "0", "no", "n")


class Flags:
    """The values of flags, as attributes, and the names of `given` and `unknown` ones."""

    def __init__(self, values: dict[str, Any], given: Sequence[str], unknown: list[str]) -> None:
        self._values = {name: flag.default for name, flag in FLAGS.items()} | values
        self.given = frozenset(given)
        self.unknown = unknown

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["_values"][name]
        except KeyError:
            raise AttributeError(name) from None

    def notes(self) -> list[str]:
        """Return a line for each given flag that has no effect."""
        return [
            f"--{name} has no effect: {FLAGS[name].no_effect}"
            for name in FLAGS
            if name in self.given
            and FLAGS[name].no_effect
            and self._values[name] != FLAGS[name].default
        ]


def read_flags(words: Sequence[str]) -> Flags:
    """
    Parse `--flag=value`, `--flag value` and booleans without a value.

    Raises CallError for a value of the wrong type. Unknown arguments are in `unknown`.
    """
    values: dict[str, Any] = {}
    unknown: list[str] = []
    left = list(words)
    while left:
        word = left.pop(0)
        name, has_value, text = word.lstrip("-").partition("=")
        name = name.replace("-", "_")
        if not word.startswith("-") or name not in FLAGS:
            unknown.append(word)
            continue
        default = FLAGS[name].default
        if not has_value and not isinstance(default, bool):
            if not left:
                raise CallError(f"--{name} needs a value")
            text = left.pop(0)
        elif not has_value:
            is_value = bool(left) and left[0].lower() in (*_TRUE, *_FALSE)
            text = left.pop(0) if is_value else "true"
        values[name] = _read(name, default, text)
    return Flags(values, list(values), unknown)


def _read(name: str, default: bool | float | str, text: str) -> bool | int | float | str:
    if isinstance(default, bool):
        if text.lower() in (*_TRUE, *_FALSE):
            return text.lower() in _TRUE
        raise CallError(f"--{name}: expected true or false, got {text!r}")
    try:
        value = type(default)(text)
    except ValueError:
        expected = "a whole number" if isinstance(default, int) else "a number"
        raise CallError(f"--{name}: expected {expected}, got {text!r}") from None
    if name in ("port", "rest_api_port") and not 0 <= int(value) <= 65535:
        raise CallError(f"--{name}: expected a port from 0 to 65535, got {text}")
    if isinstance(value, int) and abs(value) > 2**63 - 1:
        raise CallError(f"--{name}: {text} is too large")
    return value
