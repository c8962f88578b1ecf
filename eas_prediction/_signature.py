"""The signature of a model, and the check of requests against it."""

from __future__ import annotations

import json
from typing import Any, Iterable, Mapping, NamedTuple, Tuple

import numpy as np

import eas_wire as wire

from . import _feed
from .exception import NO_ANSWER, BadResponse, InvalidRequest
from .tf_request import TFRequest

Shape = Tuple[int, ...]
Arrays = Mapping[str, Any]


class TensorSpec(NamedTuple):
    """
    One input or output of a model.

    `dtype` is a name such as `DT_FLOAT`. `shape` has -1 for any size, and is None for any shape.
    """

    name: str
    dtype: str
    shape: Shape | None

    def __str__(self) -> str:
        return f"{self.dtype} {'of any shape' if self.shape is None else list(self.shape)}"

    @property
    def by_row(self) -> bool:
        """Whether the first dimension is the batch."""
        return self.shape is None or self.shape[:1] == (-1,)

    def fits(self, shape: Shape) -> bool:
        """Whether values of this `shape` can be fed."""
        if self.shape is None:
            return True
        return len(shape) == len(self.shape) and all(
            wanted in (-1, size) for wanted, size in zip(self.shape, shape)
        )


class Signature(NamedTuple):
    """The inputs and outputs of a model by name, and the name of the signature."""

    name: str
    inputs: Mapping[str, TensorSpec]
    outputs: Mapping[str, TensorSpec]

    def __str__(self) -> str:
        lines = [f"signature {self.name}"]
        for kind, specs in (("input", self.inputs), ("output", self.outputs)):
            lines += [f"  {kind} {name}: {spec}" for name, spec in specs.items()]
        return "\n".join(lines)

    def tensors(self, arrays: Arrays) -> dict[str, wire.Tensor]:
        """
        Convert arrays by input name to tensors. Raises `InvalidRequest` for a name, dtype or shape.

        Integers may become floats, but not the reverse.
        """
        unknown = [name for name in arrays if name not in self.inputs]
        if unknown:
            raise InvalidRequest(
                f"no input {unknown[0]!r} in signature {self.name!r}; it has {_names(self.inputs)}"
            )
        for name, spec in self.inputs.items():
            if name not in arrays:
                raise InvalidRequest(
                    f"input {name!r} is missing: signature {self.name!r} expects {spec}"
                )
        return {name: self._tensor(spec, arrays[name]) for name, spec in self.inputs.items()}

    def request(self, tensors: Mapping[str, wire.Tensor], outputs: Iterable[str]) -> TFRequest:
        """Return a request with these tensors, for these outputs or, if empty, for all."""
        request = TFRequest(self.name)
        request._inputs = dict(tensors)
        for each in outputs:
            if each not in self.outputs:
                raise InvalidRequest(
                    f"no output {each!r} in signature {self.name!r}; it has {_names(self.outputs)}"
                )
            request.add_fetch(each)
        return request

    def _tensor(self, spec: TensorSpec, values: Any) -> wire.Tensor:
        try:
            shape = np.shape(values)
        except ValueError:
            raise InvalidRequest(
                f"input {spec.name!r}: expected {spec}, got rows of unequal length"
            ) from None
        if not spec.fits(shape):
            got = f", got {_dtype_of(values)}{list(shape)}"
            hint = ""
            if spec.shape is not None and spec.fits((1, *shape)):
                hint = "; one row is an array of shape " + str([1, *shape])
            raise InvalidRequest(f"input {spec.name!r}: expected {spec}{got}{hint}")
        return _feed.tensor(spec.name, shape, wire.dtype_number(spec.dtype), values)


def read_signature(text: bytes) -> Signature:
    """Parse the JSON with which a service answers an empty request. Raises `BadResponse`."""
    try:
        facts = json.loads(text)
        return Signature(
            str(facts["signature_name"]), _specs(facts["inputs"]), _specs(facts["outputs"])
        )
    except (ValueError, KeyError, TypeError, wire.WireError) as error:
        raise BadResponse(
            NO_ANSWER, f"expected the model's signature in JSON, got {text[:80]!r}"
        ) from error


def split(signature: Signature, tensors: Mapping[str, wire.Tensor], max_rows: int) -> list[Any]:
    """Split a batch into parts of up to `max_rows`. Tensors without rows go into every part."""
    if max_rows < 1:
        raise InvalidRequest(f"max_rows: expected 1 or more, got {max_rows}")
    batched = {
        name: tensor.array.shape[0]
        for name, tensor in tensors.items()
        if signature.inputs[name].by_row and tensor.array.ndim
    }
    if len(set(batched.values())) > 1:
        raise InvalidRequest(f"max_rows: the inputs have unequal numbers of rows: {batched}")
    rows = next(iter(batched.values()), 0)
    if rows <= max_rows:
        return [tensors]
    return [
        {
            name: wire.Tensor(each.dtype, each.array[start : start + max_rows])
            if name in batched
            else each
            for name, each in tensors.items()
        }
        for start in range(0, rows, max_rows)
    ]


def join(
    signature: Signature, parts: list[dict[str, np.ndarray[Any, Any]]]
) -> dict[str, np.ndarray[Any, Any]]:
    """Join the outputs of all parts. Raises `InvalidRequest` for an output without rows."""
    if len(parts) == 1:
        return parts[0]
    for name in parts[0]:
        spec = signature.outputs.get(name)
        if spec is not None and not spec.by_row:
            raise InvalidRequest(
                f"max_rows: output {name!r} is {spec}, which has no dimension for rows and cannot "
                "be joined; select other outputs with outputs=[...]"
            )
    return {name: np.concatenate([each[name] for each in parts]) for name in parts[0]}


def _specs(items: Any) -> dict[str, TensorSpec]:
    specs = {}
    for each in items:
        wire.storage_dtype(wire.dtype_number(each["type"]))
        shape = each["shape"]
        specs[each["name"]] = TensorSpec(
            each["name"], each["type"], None if shape is None else tuple(map(int, shape))
        )
    return specs


def _names(specs: Mapping[str, TensorSpec]) -> str:
    return ", ".join(map(repr, specs)) or "none"


def _dtype_of(values: Any) -> str:
    dtype = getattr(values, "dtype", None)
    return "values of shape " if dtype is None else f"{dtype} "
