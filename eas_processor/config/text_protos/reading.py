"""Parses a configuration file into a message. Errors name the file and the line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from google.protobuf import text_format

from eas_processor.config.text_protos.messages import message_class
from eas_processor.errors import ServiceFileError


def read_message(path: Path, full_name: str) -> Any:
    """Return the message of type `full_name` in the file at `path`. Raises ServiceFileError."""
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise ServiceFileError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ServiceFileError(f"{path} is not UTF-8 text: {error}") from error
    message = message_class(full_name)()
    try:
        text_format.Parse(text, message)
    except text_format.ParseError as error:
        raise ServiceFileError(f"Error parsing text-format {full_name}: {path}:{error}") from None
    return message
