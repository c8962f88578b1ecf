"""Infer a signature for a graph that has none."""

from typing import Any, Callable, Dict, List, Optional

from eas_processor.tf.model.signatures import DEFAULT_NAME, Signature, TensorSpec

# Ops whose value is not an output, although no other op consumes it.
_NO_OUTPUTS = frozenset(["Assert", "Const", "NoOp", "Placeholder", "PlaceholderWithDefault"])


def infer_signature(graph: Any, offered: Callable[[TensorSpec], bool]) -> Optional[Signature]:
    """
    Infer inputs and outputs: the placeholders, and the tensors from them that no op consumes.

    Only tensors for which `offered` returns True are included. Returns None without any input or
    output. A carelessly cut graph may have more of both than its author meant.
    """
    sources = [op for op in graph.get_operations() if op.type == "Placeholder"]
    inputs = [spec for op in sources for spec in _specs(op) if offered(spec)]
    outputs = [
        spec
        for op in _followers(sources)
        if op.type not in _NO_OUTPUTS and not any(each.consumers() for each in op.outputs)
        for spec in _specs(op)
        if offered(spec)
    ]
    if not inputs or not outputs:
        return None
    return Signature(DEFAULT_NAME, "", _by_name(inputs), _by_name(outputs))


def _followers(ops: List[Any]) -> List[Any]:
    """Return the ops that depend on `ops`, sorted by name."""
    pending, found = list(ops), {}
    while pending:
        for tensor in pending.pop().outputs:
            for op in tensor.consumers():
                if op.name not in found:
                    found[op.name] = op
                    pending.append(op)
    return [found[name] for name in sorted(found)]


def _specs(op: Any) -> List[TensorSpec]:
    """Return the outputs of an op; the first has the name of the op, which requests may use."""
    specs = []
    for index, tensor in enumerate(op.outputs):
        shape = None
        if tensor.shape.ndims is not None:
            shape = tuple(-1 if size is None else size for size in tensor.shape.as_list())
        name = tensor.name if index else op.name
        specs.append(TensorSpec(name, tensor.name, tensor.dtype.as_datatype_enum, shape))
    return specs


def _by_name(specs: List[TensorSpec]) -> Dict[str, TensorSpec]:
    return {spec.name: spec for spec in specs}
