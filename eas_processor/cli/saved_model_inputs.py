"""Read the inputs of `eascmd run --dir`: files, expressions, examples, as `KEY=...;KEY=...`."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from eas_processor.cli.numpy_expressions import evaluate
from eas_processor.codecs.examples import Feature, write_example
from eas_processor.errors import CallError

_FILE = re.compile(r"(?P<file>[^\[\]]+)(\[(?P<variable>[^\[\]]+)\])?")
_OPENING, _CLOSING, _QUOTES = "([{", ")]}", "'\""


def read_given(
    files: str, expressions: str, examples: str, *, allow_pickle: bool = False
) -> dict[str, Any]:
    """
    Return the value of each input, by key: an array, or a value that numpy converts to one.

    Expressions override files, and examples override both. Raises CallError.
    """
    given: dict[str, Any] = {}
    for option, text in (
        ("--inputs", files),
        ("--input_exprs", expressions),
        ("--input_examples", examples),
    ):
        for key, value in _pairs(option, text):
            if key in given:
                print(f"input {key} is given twice; {option} is used", file=sys.stderr)
            if option == "--inputs":
                given[key] = _load(value, allow_pickle)
            elif option == "--input_exprs":
                given[key] = evaluate(value, f"--input_exprs: {key}")
            else:
                given[key] = _examples(value, f"--input_examples: {key}")
    return given


def _pairs(option: str, text: str) -> Iterator[tuple[str, str]]:
    for part in _parts(text):
        key, equals, value = part.partition("=")
        if not (equals and key.strip() and value.strip()):
            raise CallError(f"{option}: expected KEY=VALUE, separated by ';', got {part[:60]!r}")
        yield key.strip(), value.strip()


def _parts(text: str) -> list[str]:
    """Split at each `;` outside quotes and brackets, and leave out blank parts."""
    parts, quote, depth, escaped = [""], "", 0, False
    for character in text:
        if character == ";" and not quote and depth <= 0:
            parts.append("")
            continue
        parts[-1] += character
        if quote:
            if character == quote and not escaped:
                quote = ""
            escaped = character == "\\" and not escaped
        elif character in _QUOTES:
            quote = character
        else:
            depth += (character in _OPENING) - (character in _CLOSING)
    return [part for part in parts if part.strip()]


def _load(value: str, allow_pickle: bool) -> Any:
    found = _FILE.fullmatch(value)
    if found is None:
        raise CallError(f"--inputs: expected FILE or FILE[VARIABLE], got {value[:60]!r}")
    path, variable = Path(found["file"]), found["variable"]
    try:
        loaded = np.load(path, allow_pickle=allow_pickle)
        if isinstance(loaded, np.lib.npyio.NpzFile):
            with loaded:
                return loaded[_variable(path, variable, loaded.files)]
    except OSError as error:
        raise CallError(f"--inputs: {path}: {error.strerror or error}") from error
    except CallError:
        raise
    except Exception as error:  # numpy's own, zipfile's, and anything of a pickle
        if "allow_pickle" in str(error):
            raise CallError(
                f"--inputs: {path} contains a pickle or is not a .npy or .npz file; a pickle can "
                "run any code when it is read: add --allow_pickle if you trust it"
            ) from error
        raise CallError(f"--inputs: {path}: expected a .npy or .npz file: {error}") from error
    if variable and isinstance(loaded, dict):
        return loaded[_variable(path, variable, list(loaded))]
    if variable:
        print(f"{path} contains one array; [{variable}] is ignored", file=sys.stderr)
    return loaded


def _variable(path: Path, variable: str | None, names: list[str]) -> str:
    if variable is None and len(names) == 1:
        return names[0]
    if variable in names:
        return str(variable)
    known = ", ".join(map(str, names)) or "none"
    if variable is None:
        raise CallError(f"--inputs: {path} has the arrays {known}; choose with {path}[NAME]")
    raise CallError(f"--inputs: {path} has no array {variable!r}; it has {known}")


def _examples(text: str, where: str) -> Any:
    try:
        examples = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        examples = None
    if not isinstance(examples, list) or not all(isinstance(each, dict) for each in examples):
        raise CallError(
            f"{where}: expected a list of dictionaries such as "
            f"""[{{"age": [22], "name": ["Ann"]}}], got {text[:60]!r}"""
        )
    array = np.empty(len(examples), object)
    array[:] = [
        write_example({_name(key, where): _feature(key, each[key], where) for key in each})
        for each in examples
    ]
    return array


def _name(key: object, where: str) -> str:
    if isinstance(key, str):
        return key
    raise CallError(f"{where}: the name of a feature is text, got {key!r}")


def _feature(name: str, values: Any, where: str) -> Feature:
    """Return a feature of the first value's kind. Raises CallError."""
    if not isinstance(values, list):
        raise CallError(f"{where}: feature {name!r}: expected a list of values, got {values!r:.60}")
    first = values[0] if values else None
    if first is None and not values:
        return Feature("", [])
    if isinstance(first, (str, bytes)) and all(isinstance(each, (str, bytes)) for each in values):
        return Feature("bytes", [e.encode() if isinstance(e, str) else e for e in values])
    if isinstance(first, float) and all(isinstance(each, (int, float)) for each in values):
        try:
            return Feature("float", np.asarray(values, np.float32).tolist())
        except OverflowError:
            raise CallError(f"{where}: feature {name!r}: a number is too large") from None
    if isinstance(first, int) and all(isinstance(each, int) for each in values):
        if all(-(2**63) <= each < 2**63 for each in values):
            return Feature("int64", values)
        raise CallError(f"{where}: feature {name!r}: a number does not fit int64")
    raise CallError(
        f"{where}: feature {name!r}: expected values of one kind, text, bytes, whole numbers or "
        f"numbers that begin with one with a point, got {values!r:.60}"
    )
