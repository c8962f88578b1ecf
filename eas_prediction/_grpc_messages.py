"""Writes and reads the messages of TensorFlow Serving's `PredictionService`."""

from __future__ import annotations

from typing import Any, Iterable, Iterator, Mapping, NamedTuple

import numpy as np

import eas_wire as wire
from eas_wire.fields import LENGTH, VARINT, fields, length_field, tag_of
from eas_wire.tensor_proto.layouts import dtype_name
from eas_wire.tensor_proto.tensors import NoTensor, read_tensor
from eas_wire.tensor_proto.writing import write_tensors
from eas_wire.varints import read_varint, write_varint

from ._signature import Signature, TensorSpec
from .exception import NO_ANSWER, BadResponse, InvalidRequest

PREDICT = "/tensorflow.serving.PredictionService/Predict"
GET_MODEL_METADATA = "/tensorflow.serving.PredictionService/GetModelMetadata"

_FIRST, _SECOND, _THIRD, _FOURTH = (tag_of(number, LENGTH) for number in (1, 2, 3, 4))
_FIRST_NUMBER, _SECOND_NUMBER, _THIRD_NUMBER = (tag_of(number, VARINT) for number in (1, 2, 3))

_Items = Iterable["tuple[str, memoryview]"]


class ModelSpec(NamedTuple):
    """A model, and one of its versions by number or label; without both, the newest."""

    name: str
    version: int | None = None
    label: str = ""

    def encoded(self, signature_name: str = "") -> bytes:
        """Return the field `model_spec` of a request."""
        spec = length_field(_FIRST, self.name.encode()) if self.name else b""
        if self.version is not None:
            number = write_varint(_FIRST_NUMBER) + write_varint(self.version)
            spec += length_field(_SECOND, number if self.version else b"")
        if signature_name:
            spec += length_field(_THIRD, signature_name.encode())
        if self.label:
            spec += length_field(_FOURTH, self.label.encode())
        return length_field(_FIRST, spec)


def predict_request(
    model: ModelSpec, signature_name: str, inputs: dict[str, wire.Tensor], outputs: Iterable[str]
) -> bytes:
    """Return a `PredictRequest` with values in `tensor_content`. Raises `InvalidRequest`."""
    try:
        spec = model.encoded(signature_name)
        wanted = [length_field(_THIRD, name.encode()) for name in outputs]
        return b"".join([spec, write_tensors(_SECOND, inputs, True), *wanted])
    except (wire.WireError, UnicodeEncodeError) as error:
        raise InvalidRequest(str(error)) from error


def read_predict_response(answer: bytes) -> dict[str, np.ndarray[Any, Any]]:
    """Return the outputs by name; the arrays may be read-only. Raises `BadResponse`."""
    outputs = {}
    name = ""
    try:
        for name, tensor in _entries(memoryview(answer), _FIRST):
            outputs[name] = read_tensor(tensor, [(0, len(tensor))]).array
    except (wire.WireError, NoTensor, UnicodeDecodeError) as error:
        where = f", output {name!r}" if isinstance(error, NoTensor) else ""
        raise BadResponse(
            NO_ANSWER, f"the answer is not a PredictResponse{where}: {error}"
        ) from error
    return outputs


def metadata_request(model: ModelSpec) -> bytes:
    """Return a `GetModelMetadataRequest` for the signatures of a model."""
    return model.encoded() + length_field(_SECOND, b"signature_def")


def read_signatures(answer: bytes) -> dict[str, Signature]:
    """Return the signatures of a `GetModelMetadataResponse` by name. Raises `BadResponse`."""
    try:
        return {
            name: Signature(name, _specs(_entries(each, _FIRST)), _specs(_entries(each, _SECOND)))
            for _, packed in _entries(memoryview(answer), _SECOND)
            for definitions in _values(packed, _SECOND)
            for name, each in _entries(definitions, _FIRST)
        }
    except (wire.WireError, UnicodeDecodeError) as error:
        raise BadResponse(
            NO_ANSWER, f"the answer is not a GetModelMetadataResponse: {error}"
        ) from error


def _specs(items: _Items) -> Mapping[str, TensorSpec]:
    return {
        name: TensorSpec(name, dtype_name(next(_numbers(info, _SECOND_NUMBER), 0)), _shape(info))
        for name, info in items
    }


def _shape(info: memoryview) -> tuple[int, ...] | None:
    """Return the shape in a `TensorInfo`, or None if its rank is unknown."""
    shape = next(_values(info, _THIRD), memoryview(b""))
    if any(_numbers(shape, _THIRD_NUMBER)):
        return None
    sizes = [next(_numbers(dim, _FIRST_NUMBER), 0) for dim in _values(shape, _SECOND)]
    return tuple([size - (1 << 64) if size >> 63 else size for size in sizes])


def _entries(view: memoryview, tag: int) -> Iterator[tuple[str, memoryview]]:
    """Yield the entries of a map field, by name."""
    for entry in _values(view, tag):
        name = str(next(_values(entry, _FIRST), b""), "utf-8")
        yield name, next(_values(entry, _SECOND), memoryview(b""))


def _values(view: memoryview, tag: int) -> Iterator[memoryview]:
    return (view[start:stop] for each, start, stop in fields(view, 0, len(view)) if each == tag)


def _numbers(view: memoryview, tag: int) -> Iterator[int]:
    return (
        read_varint(view, start)[0] for each, start, _ in fields(view, 0, len(view)) if each == tag
    )
