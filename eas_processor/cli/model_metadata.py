"""Request and answer of TensorFlow Serving's `GetModelMetadata`, without protobuf classes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from eas_processor.errors import BenchError
from eas_wire.errors import WireError
from eas_wire.fields import LENGTH, VARINT, fields, length_field, tag_of
from eas_wire.varints import read_varint

METHOD = "/tensorflow.serving.PredictionService/GetModelMetadata"
_DEFAULT = "serving_default"
_FIRST, _SECOND, _THIRD = (tag_of(number, LENGTH) for number in (1, 2, 3))
_FIRST_NUMBER, _SECOND_NUMBER = tag_of(1, VARINT), tag_of(2, VARINT)


class Input(NamedTuple):
    """An input of a signature. Unknown dimensions are -1."""

    dtype: int
    shape: list[int]


def metadata_request(model: str) -> bytes:
    """Return a `GetModelMetadataRequest` for the signatures of a model."""
    spec = length_field(_FIRST, model.encode())
    return length_field(_FIRST, spec) + length_field(_SECOND, b"signature_def")


def read_signature(answer: bytes) -> tuple[str, dict[str, Input]]:
    """
    Return the name and the inputs of `serving_default`, or of the first signature without one.

    Raises BenchError for an answer without signatures.
    """
    try:
        found = {
            key: {name: _input(each) for name, each in _entries(value, _FIRST)}
            for any_value in _values(memoryview(answer), _SECOND)
            for message in _values(any_value, _SECOND)
            for packed in _values(message, _SECOND)
            for key, value in _entries(packed, _FIRST)
            if not key.startswith("__")
        }
    except (WireError, IndexError, ValueError) as error:
        raise BenchError(f"the model's metadata cannot be read: {error}") from error
    if not found:
        raise BenchError(
            "the model's metadata has no signature to make a request from; "
            "give one with --body FILE or --inputs"
        )
    name = _DEFAULT if _DEFAULT in found else min(found)
    return name, found[name]


def _input(info: memoryview) -> Input:
    """Return the name, dtype and shape in a `TensorInfo`."""
    dtype = next(_numbers(info, _SECOND_NUMBER), 0)
    shape = [
        next(_numbers(dim, _FIRST_NUMBER), 0)
        for shape in _values(info, _THIRD)
        for dim in _values(shape, _SECOND)
    ]
    return Input(dtype, [size - (1 << 64) if size >> 63 else size for size in shape])


def _entries(view: memoryview, tag: int) -> Iterator[tuple[str, memoryview]]:
    """Yield the entries of a map field, by name."""
    for entry in _values(view, tag):
        key = b"".join(map(bytes, _values(entry, _FIRST))).decode()
        yield key, next(_values(entry, _SECOND), memoryview(b""))


def _values(view: memoryview, tag: int) -> Iterator[memoryview]:
    return (view[start:end] for each, start, end in fields(view, 0, len(view)) if each == tag)


def _numbers(view: memoryview, tag: int) -> Iterator[int]:
    found = fields(view, 0, len(view))
    return (read_varint(view, start)[0] for each, start, _ in found if each == tag)
