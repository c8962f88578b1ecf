"""The declared inputs and outputs of a processor of arrays, and its bodies in both encodings."""

import json
from typing import Any, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

import eas_wire as wire
from eas_processor.codecs.codec import Form, Spec, Target
from eas_processor.codecs.registry import find
from eas_processor.hooks.dtypes import as_array, number_of, to_storage
from eas_processor.hooks.errors import BadRequest, OutputError
from eas_processor.link.frames import ARRAY_PROTO
from eas_wire.text import list_names, quote

Declared = Mapping[str, Tuple[Any, Optional[Sequence[int]]]]
Arrays = Dict[str, Any]

_DEFAULT_NAME = "serving_default"


class Declaration(Spec):
    """One input or output: name, dtype number, and shape with -1 for any size, None for any."""

    __slots__ = ("dtype", "name", "shape")

    def __init__(self, name: str, dtype: Any, shape: Optional[Sequence[int]]) -> None:
        self.name = name
        self.dtype = number_of(dtype)
        self.shape = None if shape is None else tuple(int(size) for size in shape)

    @property
    def dtype_name(self) -> str:
        """The name of the dtype, such as `DT_FLOAT`."""
        return wire.dtype_name(self.dtype)

    def __str__(self) -> str:
        shape = "of any shape" if self.shape is None else str(list(self.shape))
        return f"{self.dtype_name} {shape}"

    def fits(self, shape: Tuple[int, ...]) -> bool:
        """Tell whether `shape` has the declared rank and sizes."""
        return self.shape is None or (
            len(shape) == len(self.shape)
            and all(wanted in (-1, size) for wanted, size in zip(self.shape, shape))
        )

    def to_json(self) -> Dict[str, Any]:
        """Return its part of the answer to an empty request."""
        shape = None if self.shape is None else list(self.shape)
        return {"name": self.name, "shape": shape, "type": self.dtype_name}


class Asked:
    """The facts of a request that decide its answer: codec, form, and names of outputs."""

    __slots__ = ("codec", "form", "outputs")

    def __init__(self, codec: int, form: Form, outputs: Sequence[str]) -> None:
        self.codec = codec
        self.form = form
        self.outputs = outputs


class Signature(Target):
    """
    Named inputs and outputs, each with a dtype and a shape: `{"x": ("float32", [-1, 4])}`.

    -1 in a shape allows any size, and None as shape allows any rank. Raises TypeError for a
    declaration that is not `(dtype, shape)`, or for a dtype that cannot be sent.
    """

    def __init__(self, inputs: Declared, outputs: Declared, name: str = _DEFAULT_NAME) -> None:
        self.name = name
        self.inputs = _declarations("inputs", inputs)
        self.outputs = _declarations("outputs", outputs)

    def decode(self, body: Any, codec: int = ARRAY_PROTO) -> Tuple[Arrays, Asked]:
        """
        Decode a request into its inputs by name, and the facts that `encode` needs.

        `codec` is the number of the request's encoding. Strings become arrays of `bytes` objects.
        Raises BadRequest, `eas_wire.WireError` or `codecs.errors.CodecError`, which a service
        answers with 400.
        """
        request, form = find(codec).decode(body, self)
        self._check_name(request.signature_name)
        missing = sorted(set(self.inputs).difference(request.inputs))
        if missing:
            raise BadRequest(f"missing input {list_names(missing)}: {self.describe_inputs('')}")
        for name, tensor in request.inputs.items():
            self._check(name, tensor)
        arrays = {name: tensor.array for name, tensor in request.inputs.items()}
        return arrays, Asked(codec, form, self._outputs(request.output_filter))

    def encode(self, outputs: Mapping[str, Any], asked: Asked) -> bytes:
        """
        Encode the answer, with the outputs that the request asks for.

        Raises OutputError if an output is missing or does not match its declaration.
        """
        tensors = {name: self._tensor(name, outputs) for name in asked.outputs}
        return find(asked.codec).encode(tensors, asked.form)

    def to_json(self) -> bytes:
        """Return the answer to an empty request: names, dtypes and shapes."""
        return json.dumps(
            {
                "signature_name": self.name,
                "inputs": [each.to_json() for each in self.inputs.values()],
                "outputs": [each.to_json() for each in self.outputs.values()],
            }
        ).encode()

    def input_names(self, signature_name: str) -> Sequence[str]:
        """Return the names of the inputs. Raises BadRequest for another signature's name."""
        self._check_name(signature_name)
        return list(self.inputs)

    def describe_inputs(self, signature_name: str) -> str:
        """Return a clause for messages that lists the inputs."""
        inputs = ", ".join(f"{quote(name)} {each}" for name, each in self.inputs.items())
        return f"signature {quote(self.name)} takes {inputs or 'no inputs'}"

    def example_outputs(self, signature_name: str, method: str) -> Sequence[str]:
        """Refuse TensorFlow examples, because this processor takes arrays."""
        raise BadRequest(
            f"this processor takes arrays, not examples: {self.describe_inputs(signature_name)}"
        )

    def specs(
        self, signature_name: str, inputs: Iterable[str], output_filter: Iterable[str]
    ) -> Sequence[Declaration]:
        """Return the declarations of the named inputs. Raises BadRequest for an unknown one."""
        self._check_name(signature_name)
        return [self._input(name) for name in inputs]

    def _check_name(self, name: str) -> None:
        if name not in ("", self.name):
            raise BadRequest(f"unknown signature {quote(name)}: expected {quote(self.name)}")

    def _input(self, name: str) -> Declaration:
        declared = self.inputs.get(name)
        if declared is None:
            raise BadRequest(f"unexpected input {quote(name)}: {self.describe_inputs('')}")
        return declared

    def _check(self, name: str, tensor: wire.Tensor) -> None:
        declared, shape = self._input(name), tensor.array.shape
        if tensor.dtype != declared.dtype or not declared.fits(shape):
            got = f"{wire.dtype_name(tensor.dtype)} {list(shape)}"
            raise BadRequest(f"input {quote(name)}: expected {declared}, got {got}")

    def _outputs(self, output_filter: Sequence[str]) -> List[str]:
        unknown = sorted(set(output_filter).difference(self.outputs))
        if unknown:
            raise BadRequest(
                f"unknown output {list_names(unknown)}: signature {quote(self.name)} returns "
                f"{list_names(self.outputs)}"
            )
        return list(output_filter) or list(self.outputs)

    def _tensor(self, name: str, outputs: Mapping[str, Any]) -> wire.Tensor:
        declared = self.outputs[name]
        if name not in outputs:
            raise OutputError(
                f"the processor returned no output {quote(name)}, expected {declared}; it returned "
                f"{list_names(outputs)}"
            )
        array = as_array(outputs[name])
        try:
            if declared.dtype != wire.DT_STRING:
                array = array.astype(
                    wire.storage_dtype(declared.dtype), "C", "same_kind", copy=False
                )
            array = to_storage(declared.dtype, array)
        except TypeError as error:
            raise OutputError(f"output {quote(name)}: expected {declared}: {error}") from None
        if not declared.fits(array.shape):
            raise OutputError(
                f"output {quote(name)}: expected {declared}, the processor returned shape "
                f"{list(array.shape)}"
            )
        return wire.Tensor(declared.dtype, array)


def _declarations(what: str, declared: Declared) -> Dict[str, Declaration]:
    found = {}
    for name, given in declared.items():
        if not isinstance(given, (tuple, list)) or len(given) != 2:
            raise TypeError(f"{what}: {name!r} is {given!r}, expected (dtype, shape)")
        found[name] = Declaration(name, *given)
    return found
