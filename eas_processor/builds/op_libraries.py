"""Read the packages and files that `model_config.op_libraries` names."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from eas_processor.errors import BuildError

_KEY = "model_config.op_libraries"
# `eas_processor.tf.model.op_libraries` tells them apart in the same way, in the worker.
_PACKAGE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_SHARED_OBJECT = re.compile(r"\.so(\.\d+)*$")


def asked_modules(model_config: str) -> list[str]:
    """Return the modules among the libraries, or none if the config has no valid value."""
    return [each for each in _libraries(_parsed(model_config)) if _is_module(each)]


def asked_files(model_config: str) -> list[str]:
    """Return the shared objects among the libraries, as the config spells them."""
    return [each for each in _libraries(_parsed(model_config)) if not _is_module(each)]


def with_places(model_config: str, directory: Path, model: Path) -> str:
    """
    Return the config with an absolute path for each shared object.

    A relative path starts at `directory`, where the service file is, or at `model`. Raises
    BuildError if the file is in neither.
    """
    if not asked_files(model_config):
        return model_config
    config = _parsed(model_config)
    within = model if model.is_dir() else model.parent
    libraries = _libraries(config)
    config["op_libraries"] = [
        each if _is_module(each) else str(_find(each, directory, within)) for each in libraries
    ]
    return json.dumps(config)


def _find(named: str, *directories: Path) -> Path:
    path = Path(named).expanduser()
    for directory in directories:
        if (directory / path).is_file():
            return (directory / path).resolve()
    if path.is_absolute():
        raise BuildError(f"{_KEY}: there is no file {path}")
    service, model = directories
    raise BuildError(
        f"{_KEY}: {named} is neither beside the service file, in {service}, nor beside the model, "
        f"in {model}"
    )


def _is_module(named: str) -> bool:
    return bool(_PACKAGE.fullmatch(named)) and not _SHARED_OBJECT.search(named)


def _libraries(config: dict[str, Any]) -> list[str]:
    given = config.get("op_libraries", [])
    listed = given.split(",") if isinstance(given, str) else given
    if not isinstance(listed, list) or not all(isinstance(each, str) for each in listed):
        return []  # the worker says what was expected
    return [each.strip() for each in listed if each.strip()]


def _parsed(model_config: str) -> dict[str, Any]:
    try:
        config = json.loads(model_config or "{}")
    except ValueError:
        return {}
    return config if isinstance(config, dict) else {}
