"""The flags of `tensorflow_model_server`, read as TensorFlow Serving reads them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from eas_processor.errors import CallError

_INT_MAX = 2**31 - 1


class Flag(NamedTuple):
    """A flag: its default, whose type is its type, and why it has no effect here, if so."""

    default: bool | int | float | str
    no_effect: str = ""


_ONE_LOOP = "one event loop serves all connections"
_OWN_PROCESS = "each version has a process of its own"
_NOT_BUILT = "is not built into this server"

FLAGS: dict[str, Flag] = {
    "port": Flag(8500),
    "grpc_socket_path": Flag(""),
    "rest_api_port": Flag(0),
    "rest_api_num_threads": Flag(0, _ONE_LOOP),
    "rest_api_timeout_in_ms": Flag(30000),
    "rest_api_enable_cors_support": Flag(False),
    "enable_batching": Flag(False),
    "batching_parameters_file": Flag(""),
    "enable_per_model_batching_parameters": Flag(False),
    "allow_version_labels_for_unavailable_models": Flag(False),
    "model_config_file": Flag(""),
    "model_config_file_poll_wait_seconds": Flag(0),
    "model_name": Flag("default"),
    "model_base_path": Flag(""),
    "num_load_threads": Flag(0, "as many models load at a time as there are cores"),
    "num_unload_threads": Flag(0, "versions are unloaded beside each other"),
    "max_num_load_retries": Flag(5),
    "load_retry_interval_micros": Flag(60_000_000),
    "file_system_poll_wait_seconds": Flag(1),
    "flush_filesystem_caches": Flag(True, "the kernel decides what it caches"),
    "tensorflow_session_parallelism": Flag(0),
    "tensorflow_session_config_file": Flag(""),
    "tensorflow_intra_op_parallelism": Flag(0),
    "tensorflow_inter_op_parallelism": Flag(0),
    "use_alts_credentials": Flag(False, f"ALTS {_NOT_BUILT}"),
    "ssl_config_file": Flag(""),
    "platform_config_file": Flag("", "batching and session flags say what it would"),
    "per_process_gpu_memory_fraction": Flag(0.0),
    "saved_model_tags": Flag("serve"),
    "grpc_channel_arguments": Flag(""),
    "grpc_max_threads": Flag(0, _ONE_LOOP),
    "enable_model_warmup": Flag(True),
    "num_request_iterations_for_warmup": Flag(0),
    "version": Flag(False),
    "monitoring_config_file": Flag(""),
    "remove_unused_fields_from_bundle_metagraph": Flag(True, _OWN_PROCESS),
    "prefer_tflite_model": Flag(False),
    "num_tflite_pools": Flag(0, _OWN_PROCESS),
    "num_tflite_interpreters_per_pool": Flag(1, _OWN_PROCESS),
    "enable_signature_method_name_check": Flag(False),
    "xla_cpu_compilation_enabled": Flag(False, f"XLA's just-in-time compiler {_NOT_BUILT}"),
    "xla_gpu_compilation_enabled": Flag(False, f"XLA's just-in-time compiler {_NOT_BUILT}"),
    "enable_profiler": Flag(True),
    "thread_pool_factory_config_file": Flag("", "TensorFlow's own thread pools are used"),
    "mixed_precision": Flag("", f"a rewrite to bfloat16 {_NOT_BUILT}"),
    "skip_initialize_tpu": Flag(False, "there are no TPUs here"),
    "enable_grpc_healthcheck_service": Flag(False),
    "enable_serialization_as_tensor_content": Flag(False),
}

_TRUE, _FALSE = ("true", "t", "1", "yes", "y"), ("false", "f", "0", "no", "n")


class Flags:
    """The value of each flag by attribute, and which `given` ones have no effect."""

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
        """Return a line for each flag that was given and does nothing here."""
        return [
            f"--{name} has no effect: {FLAGS[name].no_effect}"
            for name in FLAGS
            if name in self.given
            and FLAGS[name].no_effect
            and self._values[name] != FLAGS[name].default
        ]


def read_flags(words: Sequence[str]) -> Flags:
    """
    Read `--flag=value`, `--flag value` and bare booleans; what is unknown is kept apart.

    Raises CallError for a value of the wrong type.
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
