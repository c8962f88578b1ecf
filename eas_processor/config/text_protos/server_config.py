"""`--monitoring_config_file`, `--ssl_config_file` and `--tensorflow_session_config_file`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eas_processor.config.text_protos.reading import read_message
from eas_processor.errors import ServiceFileError

_METRICS_PATH = "/monitoring/prometheus/metrics"

# Fields of ConfigProto and what `model_config` of the TensorFlow processor calls them.
_SESSION_KEYS = ("intra_op_parallelism_threads", "inter_op_parallelism_threads")
_APPLIED = {*_SESSION_KEYS, "gpu_options", "allow_soft_placement"}


@dataclass(frozen=True)
class Ssl:
    """The server's key and certificate, and the authority that client certificates come from."""

    key: str
    certificate: str
    client_authority: str = ""
    verifies_clients: bool = False


def read_monitoring(path: Path) -> str:
    """Return the path of the metrics, "" where they are switched off. Raises ServiceFileError."""
    config = read_message(path, "tensorflow.serving.MonitoringConfig").prometheus_config
    if not config.enable:
        return ""
    if config.path and not config.path.startswith("/"):
        raise ServiceFileError(
            f"{path}: prometheus_config.path: expected one that begins with '/', got "
            f"{config.path!r}"
        )
    return config.path or _METRICS_PATH


def read_ssl(path: Path) -> Ssl:
    """Return the certificates, which are texts in the file itself. Raises ServiceFileError."""
    config = read_message(path, "tensorflow.serving.SSLConfig")
    for name in ("server_key", "server_cert"):
        if "-----BEGIN" not in getattr(config, name):
            raise ServiceFileError(
                f"{path}: {name}: expected PEM text itself (-----BEGIN ...), not a path"
            )
    return Ssl(config.server_key, config.server_cert, config.custom_ca, config.client_verify)


def read_session(path: Path) -> tuple[dict[str, Any], list[str]]:
    """
    Return keys of `model_config` for a `ConfigProto`, and the fields that have no effect.

    Raises ServiceFileError.
    """
    message = read_message(path, "tensorflow.ConfigProto")
    config: dict[str, Any] = {}
    for name in _SESSION_KEYS:
        if getattr(message, name) > 0:
            config[name] = getattr(message, name)
    if message.HasField("gpu_options"):
        config["gpu_allow_growth"] = message.gpu_options.allow_growth
        if message.gpu_options.per_process_gpu_memory_fraction:
            config["gpu_memory_fraction"] = message.gpu_options.per_process_gpu_memory_fraction
    given = [field.name for field, _ in message.ListFields()]
    return config, [name for name in given if name not in _APPLIED]
