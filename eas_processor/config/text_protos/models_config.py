"""Reads `--model_config_file`, which names the models to serve."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError

from eas_processor.config.models import All, Latest, ModelConfig, Policy, RequestLog, Specific
from eas_processor.config.text_protos.messages import message_class
from eas_processor.config.text_protos.reading import read_message
from eas_processor.errors import ServiceFileError

_PLATFORMS = ("", "tensorflow")
_TENSORFLOW = 1


def read_models(path: Path) -> list[ModelConfig]:
    """Return the models of the `ModelServerConfig` at `path`, in order. Raises ServiceFileError."""
    message = read_message(path, "tensorflow.serving.ModelServerConfig")
    return models_of(message, str(path))


def read_reload(message: bytes) -> tuple[list[ModelConfig], list[str]]:
    """
    Return the models and the metric names of a serialized `ReloadConfigRequest`.

    Raises ServiceFileError.
    """
    request = message_class("tensorflow.serving.ReloadConfigRequest")()
    try:
        request.ParseFromString(message)
    except DecodeError as error:
        raise ServiceFileError(f"the request is not a ReloadConfigRequest: {error}") from None
    if not request.config.HasField("model_config_list"):
        raise ServiceFileError(
            "ServerModelConfig type not supported by HandleReloadConfigRequest. "
            "Only ModelConfigList is currently supported"
        )
    return models_of(request.config, "config"), list(request.metric_names)


def models_of(message: Any, source: str) -> list[ModelConfig]:
    """
    Return the models of a `ModelServerConfig` message.

    Raises ServiceFileError, which begins with `source`.
    """
    if message.HasField("custom_model_config"):
        raise ServiceFileError(
            f"{source}: custom_model_config: only model_config_list is supported here"
        )
    return [
        _model(source, number, each)
        for number, each in enumerate(message.model_config_list.config, start=1)
    ]


def _model(source: str, number: int, config: Any) -> ModelConfig:
    where = f"{source}: config {number}"
    if not config.name:
        raise ServiceFileError(f"{where}: name: is missing, expected the name of a model")
    where += f" ({config.name})"
    if not config.base_path:
        raise ServiceFileError(f"{where}: base_path: is missing, expected an absolute path")
    if config.model_platform not in _PLATFORMS or config.model_type > _TENSORFLOW:
        raise ServiceFileError(
            f"{where}: model_platform: expected 'tensorflow', got {config.model_platform!r}"
        )
    return ModelConfig(
        config.name,
        _local(where, config.base_path),
        _policy(where, config.model_version_policy),
        dict(config.version_labels),
        _request_log(where, config.logging_config) if config.HasField("logging_config") else None,
    )


def _local(where: str, named: str) -> Path:
    scheme, separator, rest = named.partition("://")
    if separator and scheme != "file":
        raise ServiceFileError(
            f"{where}: base_path: {scheme}:// is not supported, expected a local directory"
        )
    if "\0" in named:
        raise ServiceFileError(f"{where}: base_path: {named!r} contains a zero byte: remove it")
    return Path(rest if separator else named)


def _policy(where: str, policy: Any) -> Policy:
    choice = policy.WhichOneof("policy_choice")
    if choice == "all":
        return All()
    if choice == "specific":
        if not policy.specific.versions:
            raise ServiceFileError(
                f"{where}: model_version_policy: specific names no versions, expected at least one"
            )
        return Specific(tuple(policy.specific.versions))
    if policy.latest.num_versions < 0:
        raise ServiceFileError(
            f"{where}: model_version_policy: latest.num_versions: expected a number above 0, got "
            f"{policy.latest.num_versions}"
        )
    return Latest(policy.latest.num_versions or 1)


def _request_log(where: str, config: Any) -> RequestLog:
    rate = config.sampling_config.sampling_rate
    if not 0 <= rate <= 1:
        raise ServiceFileError(
            f"{where}: logging_config: sampling_rate: expected 0 to 1, got {rate:g}"
        )
    if not config.log_collector_config.filename_prefix:
        raise ServiceFileError(
            f"{where}: logging_config: log_collector_config.filename_prefix: is missing, expected "
            "the path prefix of the log files"
        )
    return RequestLog(config.log_collector_config.filename_prefix, rate)
