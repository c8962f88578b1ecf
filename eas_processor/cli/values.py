"""Read `--input NAME=VALUE` into arrays, and write or print outputs."""

from __future__ import annotations

import ast
import io
import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from eas_processor.errors import CallError

Arrays = dict[str, Any]

IMAGES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
_ARRAYS = (".npy", ".npz")
_VALUES = (".json", ".txt", ".py")
_MODES = {1: "L", 3: "RGB", 4: "RGBA"}


def read_inputs(
    given: Sequence[str],
    shapes: Mapping[str, tuple[int, ...] | None],
    strings: Collection[str] = (),
) -> Arrays:
    """
    Parse `NAME=VALUE`, or VALUE for a model with a single input. Raises CallError.

    VALUE is JSON, a Python literal or `@FILE`: .npy, .npz, .json, .txt, or an image for an input
    of 4 dimensions. `strings` are the inputs of text. For those, any other file is read as bytes.
    `shapes` has the shapes of the model's inputs, None for an unknown one.
    """
    arrays: Arrays = {}
    for each in given:
        name, value = _divide(each)
        if value.startswith("@"):
            found = _read_file(name, Path(value[1:]), shapes, strings)
        else:
            found = {name: _literal(value, f"--input {each[:60]!r}")}
        for key, array in found.items():
            arrays[key or _only(shapes)] = array
    return arrays


def write_outputs(path: Path, outputs: Mapping[str, np.ndarray[Any, Any]]) -> None:
    """Write the outputs to a `.npy` (for one output), `.npz` or `.json` file. Raises CallError."""
    suffix = path.suffix.lower()
    try:
        if suffix == ".npz":
            arrays: Arrays = {name: _plain(each) for name, each in outputs.items()}
            np.savez(path, **arrays)
        elif suffix == ".json":
            path.write_text(json.dumps(as_json(outputs), indent=2) + "\n")
        elif suffix == ".npy" and len(outputs) == 1:
            np.save(path, _plain(next(iter(outputs.values()))), allow_pickle=False)
        elif suffix == ".npy":
            names = ", ".join(outputs)
            raise CallError(f"{path} holds one array and there are {names}; choose with --fetch")
        else:
            raise CallError(f"--output: expected a .npy, .npz or .json file, got {path}")
    except OSError as error:
        raise CallError(f"{path}: {error.strerror or error}") from error


def as_json(outputs: Mapping[str, np.ndarray[Any, Any]]) -> dict[str, Any]:
    """Return the outputs as lists; bytes that are not UTF-8 are `{"b64": ...}`, as in requests."""
    return {name: _listed(array.tolist()) for name, array in outputs.items()}


def _divide(given: str) -> tuple[str, str]:
    name, equals, value = given.partition("=")
    if (
        given.startswith("@")
        or not equals
        or not name.replace("_", "a").replace(".", "a").isalnum()
    ):
        return "", given
    return name, value


def _only(shapes: Mapping[str, tuple[int, ...] | None]) -> str:
    if len(shapes) == 1:
        return next(iter(shapes))
    names = ", ".join(shapes) or "unknown"
    raise CallError(f"--input: expected NAME=VALUE; the model's inputs are {names}")


def _literal(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        pass
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        raise CallError(
            f"{where}: expected JSON, a Python literal such as '[[1.0, 2.0]]', or @FILE; "
            "text needs quotes of its own"
        ) from None


def _read_file(
    name: str,
    path: Path,
    shapes: Mapping[str, tuple[int, ...] | None],
    strings: Collection[str],
) -> Arrays:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CallError(f"--input: {path}: {error.strerror or error}") from error
    suffix = path.suffix.lower()
    if suffix in _ARRAYS:
        return _numpy(name, path, content)
    if suffix not in _ARRAYS + _VALUES and (name or len(shapes) == 1):
        key = name or _only(shapes)
        if key in strings:
            return {key: _bytes(content, shapes.get(key))}
    if suffix in IMAGES:
        key = name or _only(shapes)
        return {key: _image(path, content, shapes.get(key))}
    if suffix in _VALUES:
        value = _literal(content.decode("utf-8", "replace"), f"--input {path}")
        return dict(value) if not name and isinstance(value, dict) else {name: value}
    raise CallError(
        f"--input: {path}: expected a .npy, .npz, .json, .txt or image file ({', '.join(IMAGES)}); "
        "only an input of text takes a file of any kind"
    )


def _bytes(content: bytes, shape: tuple[int, ...] | None) -> np.ndarray[Any, Any]:
    """Return one string as an array in which every dimension is 1."""
    array = np.empty([1] * len(shape or ()), object)
    array[(0,) * array.ndim] = content  # `np.full` drops NUL bytes at the end
    return array


def _numpy(name: str, path: Path, content: bytes) -> Arrays:
    try:
        # Never unpickle: a pickle can run any code.
        loaded = np.load(io.BytesIO(content), allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return {name: loaded}
        with loaded:
            found = {key: loaded[key] for key in loaded.files}
    except (ValueError, EOFError, OSError) as error:
        raise CallError(f"--input: {path}: not arrays without pickled objects: {error}") from error
    if not name:
        return found
    if name in found or len(found) == 1:
        return {name: found.get(name, next(iter(found.values())))}
    raise CallError(f"--input: {path} has no array {name!r}; it has {', '.join(found)}")


def _image(path: Path, content: bytes, shape: tuple[int, ...] | None) -> np.ndarray[Any, Any]:
    if shape is not None and len(shape) != 4:
        raise CallError(
            f"--input: {path}: an image is for an input of 4 dimensions "
            f"[batch, height, width, channels], and this one is {list(shape)}"
        )
    try:
        from PIL import Image
    except ImportError:
        raise CallError(
            "image files need Pillow: run `pip install pillow` (the extra `images`), or give "
            "an array with @FILE.npy"
        ) from None
    try:
        with Image.open(io.BytesIO(content)) as image:
            channels = shape[3] if shape is not None else 3
            return np.asarray(image.convert(_MODES.get(channels, "RGB")), np.uint8).reshape(
                1, image.height, image.width, -1
            )
    except OSError as error:
        raise CallError(f"--input: {path}: {error}") from error


def _plain(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return `array` in a form that numpy writes without pickle."""
    if array.dtype.kind != "O":
        return array
    if any(each.endswith(b"\0") for each in array.flat):
        raise CallError("numpy's files drop NUL bytes at the end of a value; write .json instead")
    return array.astype(bytes)


def _listed(value: Any) -> Any:
    if isinstance(value, list):
        return [_listed(each) for each in value]
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            import base64

            return {"b64": base64.b64encode(value).decode()}
    return str(value) if isinstance(value, complex) else value
