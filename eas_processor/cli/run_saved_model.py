"""`eascmd run --dir DIR`: one run of a SavedModel, as TensorFlow's `saved_model_cli run`."""

from __future__ import annotations

import importlib.util
import os
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np

from eas_processor.cli.inspect_show import graph_of, graphs_of, signature_of
from eas_processor.cli.saved_model_inputs import read_given
from eas_processor.cli.saved_model_options import refuse_what_is_not_here
from eas_processor.errors import CallError
from eas_processor.home import have_temporary_directory

_INPUTS = ("inputs", "input_exprs", "input_examples")
_OF_THE_OTHER_FORM = ("model", "input", "fetch", "signature", "output", "json")


def run_saved_model(arguments: Namespace) -> None:
    """Run a signature, print each output, and write it to `--outdir`. Raises EasError."""
    _check(arguments)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    graph = graph_of(graphs_of(arguments.dir), arguments.tag_set)
    signature = signature_of(graph, arguments.signature_def)
    if signature["inputs"] and not any(getattr(arguments, name) for name in _INPUTS):
        raise CallError("--dir needs --inputs, --input_exprs or --input_examples")
    feeds = {
        _tensor_of(key, signature["inputs"], "input"): value
        for key, value in read_given(
            arguments.inputs,
            arguments.input_exprs,
            arguments.input_examples,
            allow_pickle=arguments.allow_pickle,
        ).items()
    }
    fetches = {key: _tensor_of(key, signature["outputs"], "output") for key in signature["outputs"]}
    files = _files(arguments, list(fetches))
    arrays = _run(arguments.dir, graph.tags, feeds, list(fetches.values()), signature)
    for key, array in zip(fetches, arrays, strict=True):
        print(f"Result for output key {key}:\n{array}")
        if key in files:
            _write(files[key], array)
            print(f"Output {key} is saved to {files[key]}")


def _check(arguments: Namespace) -> None:
    for name in _OF_THE_OTHER_FORM:
        given = getattr(arguments, name)
        if given:
            shown = str(given) if name == "model" else f"--{name}"
            raise CallError(f"--dir names the model; {shown} goes with `eascmd run MODEL`")
    refuse_what_is_not_here(arguments)
    for name, example in (("tag_set", "serve"), ("signature_def", "serving_default")):
        if getattr(arguments, name) is None:
            raise CallError(f"--dir needs --{name}, such as --{name} {example}")


def _tensor_of(key: str, tensors: dict[str, Any], role: str) -> str:
    if key not in tensors:
        known = ", ".join(tensors) or "none"
        raise CallError(f"there is no {role} {key!r}; the signature has {known}")
    name = tensors[key].get("name", "")
    if not name:
        raise CallError(f"{role} {key!r} is a sparse tensor, which has no single array")
    return str(name)


def _files(arguments: Namespace, keys: list[str]) -> dict[str, Path]:
    """Return the path of each output's file, none without `--outdir`. Raises CallError."""
    if arguments.outdir is None:
        return {}
    files = {}
    for key in keys:
        if "/" in key or key.startswith("."):
            raise CallError(f"--outdir: the output key {key!r} is not a file name")
        files[key] = arguments.outdir / f"{key}.npy"
        if files[key].exists() and not arguments.overwrite:
            raise CallError(f"{files[key]} exists already; add --overwrite to replace it")
    try:
        arguments.outdir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CallError(f"--outdir {arguments.outdir}: {error.strerror or error}") from error
    return files


def _run(
    directory: Path,
    tags: tuple[str, ...],
    feeds: dict[str, Any],
    fetches: list[str],
    signature: dict[str, Any],
) -> list[Any]:
    if importlib.util.find_spec("tensorflow") is None:
        raise ModuleNotFoundError("No module named 'tensorflow'", name="tensorflow")
    have_temporary_directory()
    from eas_processor.tf.errors import ModelError
    from eas_processor.tf.run_once import run_once

    try:
        return run_once(str(directory), tags, feeds, fetches)
    except ModelError as error:
        unfed = [
            key for key, tensor in signature["inputs"].items() if tensor.get("name") not in feeds
        ]
        hint = f"; nothing was given for {', '.join(unfed)}" if unfed else ""
        raise CallError(f"{error}{hint}") from error


def _write(path: Path, array: Any) -> None:
    """Write an array without pickle. Text becomes fixed-width bytes."""
    array = np.asarray(array)
    if array.dtype.kind == "O":
        if not all(isinstance(each, bytes) for each in array.flat):
            raise CallError(f"{path}: the output is not an array of numbers or text")
        if any(each.endswith(b"\0") for each in array.flat):
            raise CallError(f"{path}: numpy's files drop NUL bytes at the end of a value")
        array = array.astype(bytes)
    try:
        np.save(path, array, allow_pickle=False)
    except OSError as error:
        raise CallError(f"{path}: {error.strerror or error}") from error
