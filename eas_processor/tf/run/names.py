"""
Resolve the names in a request to tensors of the graph.

A name is an alias of the signature or the name of a tensor, such as `x:0`. In a graph without
signatures it may be `x`.
"""

import re
from typing import Any, Dict, List, Optional, Sequence

from eas_processor.tf.dtypes import UNSIGNED, WIRE_DTYPES
from eas_processor.tf.errors import BadRequest, RunError
from eas_processor.tf.model.signatures import Signature, TensorSpec, dtype_name
from eas_processor.tf.runtime import tf
from eas_wire.text import cut_list, list_names, quote

# The vendor's message, which its users search for.
NO_FETCH = "Must specify at least one target to fetch or execute."

_NO_SIGNATURE = "this graph has no signature, so use the names of tensors, such as 'x:0'"

# Ops that write variables or files.
_WRITES = re.compile(
    "Assign|Save|Restore|(Resource)?Scatter(Nd)?(Update|Add|Sub|Mul|Div|Min|Max)|(Resource)?(Sparse)?Apply"
)


class Resolver:
    """
    Finds the tensors of one graph by alias or name.

    `saver_filename` is the tensor that takes the path of variables. `bare` tells whether the graph
    has no signatures, so that `x` means `x:0`. Methods raise BadRequest.
    """

    def __init__(self, graph: Any, saver_filename: str, bare: bool) -> None:
        self._graph = graph
        self._bare = bare
        self._saver = saver_filename.split(":", maxsplit=1)[0]

    def feeds(self, signature: Optional[Signature], names: Sequence[str]) -> List[TensorSpec]:
        """Return the tensors to feed, one for each name, in the same order."""
        aliases = signature.inputs if signature else {}
        specs = []
        by_tensor: Dict[str, str] = {}
        for name in names:
            spec = aliases.get(name) or self._find(name)
            if spec is None:
                raise BadRequest(f"unexpected input {quote(name)}: {describe_inputs(signature)}")
            self._refuse_absent("input", spec)
            other = by_tensor.setdefault(spec.tensor_name, name)
            if other != name:
                raise BadRequest(
                    f"inputs {quote(other)} and {quote(name)} are the same: send one of them"
                )
            specs.append(spec)
        return specs

    def fetches(
        self, signature: Optional[Signature], output_filter: Sequence[str], unsigned: bool = False
    ) -> List[TensorSpec]:
        """
        Return the tensors to fetch, or all outputs of the signature if the filter is empty.

        `unsigned` tells whether a response can carry DT_UINT32 and DT_UINT64.
        """
        aliases = signature.outputs if signature else {}
        specs: Dict[str, TensorSpec] = {}
        for name in asked_outputs(output_filter, aliases):
            spec = aliases.get(name)
            if spec is None:
                spec = self._find(name)
                if spec is None:
                    raise BadRequest(f"unknown output {quote(name)}: {describe_outputs(signature)}")
                self._refuse_writes(spec)
            self._refuse_absent("output", spec)
            refuse_dtype(spec, aliases, unsigned)
            specs[name] = spec
        return list(specs.values())

    def unfed(self, fetch: str, feeds: Sequence[str]) -> str:
        """Return `fetch`, or a copy of it if it is fed: TensorFlow cannot fetch a fed tensor."""
        if fetch not in feeds:
            return fetch
        name = "eas_copy_of/" + fetch.replace(":", "_")
        if self._tensor(name + ":0") is None:
            with self._graph.as_default():
                tf.identity(self._tensor(fetch), name=name)
        return name + ":0"

    def _tensor(self, tensor_name: str) -> Any:
        try:
            return self._graph.get_tensor_by_name(tensor_name)
        except (KeyError, ValueError, TypeError):
            # A TypeError means an unpaired surrogate in the name, which JSON allows.
            return None

    def offers(self, spec: TensorSpec) -> bool:
        """Return whether a request may name `spec` as an output."""
        try:
            self._refuse_writes(spec)
            refuse_dtype(spec, {})
        except BadRequest:
            return False
        return True

    def _find(self, name: str) -> Optional[TensorSpec]:
        tensor_name = name + ":0" if self._bare and ":" not in name else name
        tensor = self._tensor(tensor_name)
        if tensor is None:
            return None
        shape = None
        if tensor.shape.ndims is not None:
            shape = tuple(-1 if size is None else size for size in tensor.shape.as_list())
        return TensorSpec(name, tensor_name, tensor.dtype.as_datatype_enum, shape)

    def _refuse_absent(self, kind: str, spec: TensorSpec) -> None:
        if spec.parts:
            raise BadRequest(
                f"{kind} {quote(spec.name)} is a sparse tensor: name its indices, values and shape "
                f"instead, {list_names(spec.parts)}"
            )
        if not spec.tensor_name:
            raise BadRequest(
                f"{kind} {quote(spec.name)} is a composite tensor, which cannot be sent"
            )
        if self._tensor(spec.tensor_name) is None:
            raise RunError(
                f"the signature declares that {kind} {quote(spec.name)} is the tensor "
                f"{quote(spec.tensor_name)}, which the graph does not have; export the model again"
            )

    def _refuse_writes(self, spec: TensorSpec) -> None:
        # Requests may name any tensor, and a SavedModel contains the ops that assign and save its
        # variables. No request may change the model for others, or write a file.
        pending = [self._tensor(spec.tensor_name).op]
        seen = set(pending)
        while pending:
            op = pending.pop()
            if op.name == self._saver or _WRITES.match(op.type):
                raise BadRequest(
                    f"output {quote(spec.name)} cannot be fetched by tensor name: it depends on "
                    f"the op {quote(op.name)}, which loads, saves or changes variables"
                )
            sources = {tensor.op for tensor in op.inputs}.union(op.control_inputs) - seen
            seen |= sources
            pending.extend(sources)


def asked_outputs(output_filter: Sequence[str], aliases: Dict[str, TensorSpec]) -> Sequence[str]:
    """Return the output names in the filter, or all in `aliases` if it is empty."""
    names = output_filter or list(aliases)
    if not names:
        raise BadRequest(NO_FETCH)
    for at, name in enumerate(names):
        if name in names[:at]:
            raise BadRequest(f"output_filter names {quote(name)} twice")
    return names


def refuse_missing(signature: Signature, feeds: Sequence[TensorSpec]) -> None:
    """Raise BadRequest unless `feeds` include every input of `signature`."""
    fed = {spec.tensor_name for spec in feeds}
    missing = [spec.name for spec in signature.inputs.values() if spec.tensor_name not in fed]
    if missing:
        word = "input" if len(missing) == 1 else "inputs"
        raise BadRequest(f"missing {word} {list_names(missing)}: {describe_inputs(signature)}")


def refuse_dtype(spec: TensorSpec, aliases: Dict[str, TensorSpec], unsigned: bool = False) -> None:
    """Raise BadRequest if a response cannot carry the dtype of an output."""
    if spec.dtype not in WIRE_DTYPES and not (unsigned and spec.dtype in UNSIGNED):
        others = [name for name, other in aliases.items() if other.dtype in WIRE_DTYPES]
        raise BadRequest(
            f"output {quote(spec.name)} is {dtype_name(spec.dtype)}, which a response cannot "
            f"carry; name others in output_filter: {list_names(others)}"
        )


def describe_inputs(signature: Optional[Signature]) -> str:
    """Return a clause for messages that lists a signature's inputs; None means no signature."""
    if signature is None:
        return _NO_SIGNATURE
    return f"signature {quote(signature.name)} takes {_list_specs(signature.inputs)}"


def describe_outputs(signature: Optional[Signature]) -> str:
    """Return a clause for messages that lists a signature's outputs; None means no signature."""
    if signature is None:
        return _NO_SIGNATURE
    return f"signature {quote(signature.name)} returns {_list_specs(signature.outputs)}"


def _list_specs(specs: Dict[str, TensorSpec]) -> str:
    return cut_list(specs, lambda name: f"{quote(name)} {specs[name]}") or "nothing"
