"""Applies the `--grpc_channel_arguments` that this listener supports."""

from __future__ import annotations

import logging
import re
from dataclasses import replace

from eas_processor.contracts.settings import EngineSettings

log = logging.getLogger("eas_processor")

_ALREADY_SO = frozenset(["grpc.so_reuseaddr"])
_IDLE = "grpc.max_connection_idle_ms"
_LARGEST = "grpc.max_receive_message_length"
_UNLIMITED = -1
_NUMBER = re.compile(r"-?[0-9]{1,10}").fullmatch


def channel_settings(text: str, settings: EngineSettings) -> EngineSettings:
    """
    Return `settings` with the changes of `text`, a comma-separated list of `key=value`.

    Unknown arguments are ignored, as in TensorFlow Serving. The log names them.
    """
    for each in filter(None, (part.strip() for part in text.split(","))):
        key, separator, value = each.partition("=")
        number = int(value) if _NUMBER(value) else None
        if key in _ALREADY_SO:
            continue
        if not separator or number is None or key not in (_IDLE, _LARGEST):
            log.warning("--grpc_channel_arguments: %s has no effect", each)
        elif key == _IDLE and number > 0:
            settings = replace(settings, idle_timeout=number / 1000)
        elif key == _LARGEST and number != _UNLIMITED:
            settings = replace(settings, max_body=min(max(number, 0), settings.max_body))
    return settings
