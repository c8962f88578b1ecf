"""
Reads a service file into a `Service`.

Every spelling of the keys that is in use is accepted. An error is one sentence.
"""

from __future__ import annotations

import contextlib
import difflib
import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from eas_processor.config.keys import KEYS, ROOT, Key
from eas_processor.config.notes import read_json
from eas_processor.config.schema import Effect, Service
from eas_processor.errors import ServiceFileError

_VALIDATION = re.compile(r" - at `\$\.(?P<path>[^`]*?)(\[\d+\])?`$")
_IMAGE_KEYS = ("containers", "dockerAuth")
_CUSTOM_KEYS = ("processor_entry", "processor_type")

# The last parts of paths that name one key. `enable` and `limit` are in several objects.
_LEAVES = [(path.rpartition(".")[2].lower(), path) for path in KEYS if not KEYS[path].children]
_TIMES = Counter(last for last, _ in _LEAVES)
_BY_LAST_PART = {last: path for last, path in _LEAVES if _TIMES[last] == 1}


@dataclass(frozen=True)
class LoadedService:
    """A service and its file. `notes` are warnings about keys, one line each."""

    service: Service
    path: Path
    notes: list[str] = field(default_factory=list)


def load_service(path: Path) -> LoadedService:
    """Read and check the service file at `path`. Raises ServiceFileError."""
    raw = read_json(path)
    try:
        if not isinstance(raw, dict):
            raise ServiceFileError(f"expected an object {{...}}, got {_shown(raw)}")
        plain = _nested(raw, ROOT)
        _move_name(plain)
        _take_names_of_deeprec(plain)
        _write_model_config_as_text(plain)
        _check_supported(plain)
        service = _convert(plain)
    except ServiceFileError as error:
        raise ServiceFileError(f"{path}: {error}") from None
    return LoadedService(service, path, [*_unknown_keys(plain, ROOT), *_keys_without_effect(plain)])


def _nested(raw: dict[str, Any], group: Key) -> dict[str, Any]:
    """Expand dotted keys (`"rpc.keepalive"`) where the schema has objects, and drop nulls."""
    result: dict[str, Any] = {}
    for name, value in raw.items():
        head, _, rest = name.partition(".")
        if value is None:
            continue
        if rest and head in group.children and group.children[head].takes_object:
            _merge(result, head, {rest: value}, group.path)
        else:
            _merge(result, name, value, group.path)
    for name, child in group.children.items():
        if child.children and isinstance(result.get(name), dict):
            result[name] = _nested(result[name], child)
    return result


def _merge(into: dict[str, Any], name: str, value: Any, parent: str) -> None:
    if name not in into:
        into[name] = value
    elif isinstance(into[name], dict) and isinstance(value, dict):
        merged = dict(into[name])
        for inner, inner_value in value.items():
            _merge(merged, inner, inner_value, _join(parent, name))
        into[name] = merged
    else:
        raise ServiceFileError(f"{_join(parent, name)}: is given twice, keep one of them")


def _move_name(plain: dict[str, Any]) -> None:
    """Move `metadata.name`, where new files have the name, to the top, where old files have it."""
    metadata = plain.get("metadata")
    if not isinstance(metadata, dict) or "name" not in metadata:
        return
    name = metadata.pop("name")
    if plain.setdefault("name", name) != name:
        both = f"{_shown(plain['name'])} and {_shown(name)}"
        raise ServiceFileError(f"name: differs from metadata.name ({both}), keep one of them")


def _take_names_of_deeprec(plain: dict[str, Any]) -> None:
    """Copy two keys of DeepRec's `model_config` to the equivalent keys of the service file."""
    config = plain.get("model_config")
    if isinstance(config, str):
        with contextlib.suppress(ValueError):  # `model_config` may be any text
            config = json.loads(config)
    if not isinstance(config, dict):
        return
    if name := config.get("warmup_file_name"):
        plain.setdefault("warm_up_data_path", name)
    metadata = plain.setdefault("metadata", {})
    if config.get("session_num") and isinstance(metadata, dict):
        rpc = metadata.setdefault("rpc", {})
        if isinstance(rpc, dict):
            rpc.setdefault("worker_threads", config["session_num"])


def _write_model_config_as_text(plain: dict[str, Any]) -> None:
    config = plain.get("model_config")
    if isinstance(config, dict | list):
        plain["model_config"] = json.dumps(config, ensure_ascii=False)


def _check_supported(plain: dict[str, Any]) -> None:
    """Refuse unsupported kinds of services before single values are checked."""
    if plain.get("models") or plain.get("processors"):
        key = "models" if plain.get("models") else "processors"
        raise ServiceFileError(
            f"{key}: several models in one service are not supported yet: "
            "write one service file for each model, with its own model_path and processor"
        )
    if plain.get("processor_path") or not plain.get("processor"):
        _check_custom(plain)
    required = ("name",) if plain.get("processor_path") else ("name", "processor", "model_path")
    for name in required:
        if plain.get(name, "") == "":
            raise ServiceFileError(f"{name}: is missing, expected {KEYS[name].expected}")


def _check_custom(plain: dict[str, Any]) -> None:
    """Refuse custom processors and images that are not supported."""
    if str(plain.get("processor_type", "")).lower() == "java" or plain.get("processor_mainclass"):
        raise ServiceFileError(
            "processor_type: java processors are not supported: "
            "write it in python or cpp (the ABI of the vendor's C and C++ processors)"
        )
    if plain.get("processor_path"):
        return
    if custom := [key for key in _CUSTOM_KEYS if plain.get(key)]:
        raise ServiceFileError(
            f"{custom[0]}: is given without processor_path, which names the custom processor; "
            f"expected there {KEYS['processor_path'].expected}"
        )
    if image := [key for key in _IMAGE_KEYS if plain.get(key)]:
        raise ServiceFileError(
            f"{image[0]}: image deployments are not supported: "
            "name a processor, such as 'processor': 'tensorflow_cpu', and a model_path"
        )


def _convert(plain: dict[str, Any]) -> Service:
    try:
        # Not strict: numbers and booleans may be strings.
        return msgspec.convert(plain, Service, strict=False)
    except msgspec.ValidationError as error:
        found = _VALIDATION.search(str(error))
        key = KEYS.get(found["path"]) if found else None
        if key is None:
            raise ServiceFileError(str(error)) from None
        value: Any = plain
        for part in key.path.split("."):
            value = value[part]
        got = "something else" if key.secret else _shown(value)
        raise ServiceFileError(f"{key.path}: expected {key.expected}, got {got}") from None


def _unknown_keys(plain: dict[str, Any], group: Key) -> Iterator[str]:
    for name, value in plain.items():
        if name not in group.children:
            path = _join(group.path, name)
            meant = _meant(name, group)
            yield f"{path}: unknown key" + (f", did you mean {meant}?" if meant else "")
        elif group.children[name].children:
            yield from _unknown_keys(value, group.children[name])


def _meant(name: str, group: Key) -> str:
    """Return the path of the key that `name` was probably meant to be, or ""."""
    last = name.rpartition(".")[2].lower()
    if last in _BY_LAST_PART:
        return _BY_LAST_PART[last]
    if near := difflib.get_close_matches(name.lower(), group.children, n=1):
        return _join(group.path, near[0])
    near = difflib.get_close_matches(last, _BY_LAST_PART, n=1, cutoff=0.75)
    return _BY_LAST_PART[near[0]] if near else ""


def _keys_without_effect(plain: dict[str, Any]) -> Iterator[str]:
    by_effect: dict[Effect, list[Key]] = {effect: [] for effect in Effect}
    for key in _set_keys(plain, ROOT):
        by_effect[key.effect].append(key)
    if cloud := by_effect[Effect.CLOUD]:
        yield f"{_paths(cloud)}: no effect here (only in the cloud)"
    if later := by_effect[Effect.LATER]:
        yield f"{_paths(later)}: no effect, not supported yet"
    for key in by_effect[Effect.NONE]:
        yield f"{key.path}: no effect. {key.description}"


def _set_keys(plain: dict[str, Any], group: Key) -> Iterator[Key]:
    """Yield the keys that have a value other than 0, false or an empty one."""
    for name, child in group.children.items():
        value = plain.get(name)
        if child.children:
            yield from _set_keys(value or {}, child)
        elif value and str(value).lower() not in ("0", "false"):
            yield child


def _paths(keys: list[Key]) -> str:
    return ", ".join(key.path for key in keys)


def _join(parent: str, name: str) -> str:
    return f"{parent}.{name}" if parent else name


def _shown(value: Any) -> str:
    text = repr(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."
