"""`SignatureDef` messages, as signatures."""

from typing import Any, Dict

from eas_processor.tf.model.signatures import Shape, Signature, TensorSpec


def read_signatures(signature_defs: Any) -> Dict[str, Signature]:
    """Return the signatures of a map of `SignatureDef` messages, in the order of their names."""
    return {
        name: Signature(
            name,
            signature.method_name,
            _read_specs(signature.inputs),
            _read_specs(signature.outputs),
        )
        for name, signature in sorted(signature_defs.items())
    }


def read_shape(owner: Any, field: str = "shape") -> Shape:
    """Return the shape in a field of a message; None for any."""
    shape = getattr(owner, field)
    if not owner.HasField(field) or shape.unknown_rank:
        return None
    return tuple(dim.size for dim in shape.dim)


def _read_specs(infos: Any) -> Dict[str, TensorSpec]:
    return {alias: _read_spec(alias, info) for alias, info in sorted(infos.items())}


def _read_spec(alias: str, info: Any) -> TensorSpec:
    sparse = info.coo_sparse
    parts = (sparse.indices_tensor_name, sparse.values_tensor_name, sparse.dense_shape_tensor_name)
    shape = read_shape(info, "tensor_shape")
    return TensorSpec(alias, info.name, info.dtype, shape, parts if any(parts) else ())
