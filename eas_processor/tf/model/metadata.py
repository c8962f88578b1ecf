"""The signatures of a graph as TensorFlow Serving's `/metadata` shows them."""

from typing import Any, Dict

from eas_processor.tf.model.signatures import dtype_name


def metadata_of(signature_def: Any) -> Dict[str, Any]:
    """Return what a map of `SignatureDef` messages is in JSON; fields without a value are shown."""
    return {
        name: {
            "inputs": _infos(signature.inputs),
            "outputs": _infos(signature.outputs),
            "method_name": signature.method_name,
            "defaults": {},
        }
        for name, signature in sorted(signature_def.items())
    }


def _infos(infos: Any) -> Dict[str, Any]:
    return {alias: _info(info) for alias, info in sorted(infos.items())}


def _info(info: Any) -> Dict[str, Any]:
    value = info.DESCRIPTOR.fields_by_name["dtype"].enum_type.values_by_number.get(info.dtype)
    shown: Dict[str, Any] = {"dtype": value.name if value else dtype_name(info.dtype)}
    if info.HasField("tensor_shape"):
        shape = info.tensor_shape
        shown["tensor_shape"] = {
            "dim": [{"size": str(dim.size), "name": dim.name} for dim in shape.dim],
            "unknown_rank": shape.unknown_rank,
        }
    if info.HasField("coo_sparse"):
        sparse = info.coo_sparse
        shown["coo_sparse"] = {
            field.name: getattr(sparse, field.name) for field in sparse.DESCRIPTOR.fields
        }
    else:
        shown["name"] = info.name
    return shown
