"""Reads the files of `--monitoring_config_file`, `--ssl_config_file` and the session's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eas_processor.config.text_protos.reading import read_message
from eas_processor.errors import ServiceFileError

_METRICS_PATH = "/monitoring/prometheus/metrics"

# These fields of ConfigProto have the same names in `model_config`.
_SESSION_KEYS = ("intra_op_parallelism_threads", "inter_op_parallelism_threads")
_APPLIED = {*_SESSION_KEYS, "gpu_options", "allow_soft_placement"}


@dataclass(frozen=True)
class Ssl:
    """The server's key and certificate, and the CA of client certificates, all as PEM text."""

    key: str
    certificate: str
    client_authority: str = ""
    verifies_clients: bool = False


def read_monitoring(path: Path) -> str:
    """Return the URL path of the metrics, "" if they are off. Raises ServiceFileError."""
    config = read_message(path, "tensorflow.serving.MonitoringConfig").prometheus_config
    if not config.enable:
        return ""
    if config.path and not config.path.startswith("/"):
        raise ServiceFileError(
            f"{path}: prometheus_config.path: expected a path that begins with '/', got "
            f"{config.path!r}"
        )
    return config.path or _METRICS_PATH


def read_ssl(path: Path) -> Ssl:
    """Return the key and certificates, which the file contains as text. Raises ServiceFileError."""
    config = read_message(path, "tensorflow.serving.SSLConfig")
    for name in ("server_key", "server_cert"):
        if "-----BEGIN" not in getattr(config, name):
            raise ServiceFileError(
                f"{path}: {name}: expected PEM text (-----BEGIN ...), not a path"
            )
    return Ssl(config.server_key, config.server_cert, config.custom_ca, config.client_verify)


def read_session(path: Path) -> tuple[dict[str, Any], list[str]]:
    """
    Return the `model_config` that a `ConfigProto` means, and its fields that have no effect.

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
