"""The bodies that `eascmd bench` sends: from a file, or random data for a signature."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import eas_wire as wire
from eas_processor.config.warm_up_file import read_requests
from eas_processor.errors import BenchError, ModelFetchError


def bodies_from_file(path: Path) -> list[bytes]:
    """Return the requests of a file: one per line in base64 in a `.txt`, else one in all."""
    try:
        return read_requests(path)
    except ModelFetchError as error:
        raise BenchError(f"--body: {error}") from error
    except OSError as error:
        raise BenchError(f"--body: {path}: {error.strerror or error}") from error


def body_from_signature(text: bytes, rows: int) -> bytes:
    """Return a request of random data for a signature in JSON. Unknown dimensions get `rows`."""
    try:
        signature = json.loads(text)
        inputs = {each["name"]: _random(each, rows) for each in signature["inputs"]}
        name = signature["signature_name"]
    except (ValueError, KeyError, TypeError):
        raise BenchError(
            "a GET of this URL does not return a signature to make a request from; "
            "give one with --body FILE"
        ) from None
    if not inputs:
        raise BenchError(f"signature {name!r} has no inputs; give a request with --body FILE")
    return wire.encode_request(wire.Request(name, inputs, []))


def _random(spec: dict[str, Any], rows: int) -> wire.Tensor:
    try:
        number = wire.dtype_number(spec["type"])
    except wire.WireError as error:
        raise BenchError(f"input {spec['name']!r}: {error}; give a request with --body") from None
    return random_tensor(spec["name"], number, spec["shape"] or (), rows)


def random_tensor(name: str, number: int, dims: Sequence[int], rows: int) -> wire.Tensor:
    """Return random data of a numbered dtype. Negative dims are `rows`. Raises BenchError."""
    try:
        storage = wire.storage_dtype(number)
    except wire.WireError as error:
        raise BenchError(f"input {name!r}: {error}; give a request with --body") from None
    shape = [rows if size < 0 else size for size in dims]
    generator = np.random.default_rng(0)
    if storage.kind == "O":
        return wire.Tensor(number, np.full(shape, b"text", dtype=object))
    if storage.kind in "fc":
        return wire.Tensor(number, generator.random(shape).astype(storage))
    # Every vocabulary of an embedding has the ids 0 and 1.
    return wire.Tensor(number, generator.integers(0, 2, shape).astype(storage))
