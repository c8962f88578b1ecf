"""Convert the signatures of a graph to the JSON of TensorFlow Serving's `/metadata`."""

from typing import Any, Dict

from google.protobuf.json_format import MessageToDict

from eas_processor.tf.model.signatures import dtype_name

_LISTS = (
    *("half_val", "float_val", "double_val", "int_val", "string_val", "scomplex_val", "int64_val"),
    *("bool_val", "dcomplex_val", "resource_handle_val", "variant_val", "uint32_val", "uint64_val"),
)
_WITHOUT_VALUES: Dict[str, Any] = {
    **{name: [] for name in _LISTS},
    "version_number": 0,
    "tensor_content": "",
    "float8_val": "",
}
"""The JSON of a `TensorProto` without values, except its dtype and shape."""


def metadata_of(signature_def: Any) -> Dict[str, Any]:
    """Convert a map of `SignatureDef` messages to JSON values, with fields that have no value."""
    return {
        name: {
            "inputs": _infos(signature.inputs),
            "outputs": _infos(signature.outputs),
            "method_name": signature.method_name,
            "defaults": {
                alias: _tensor(each) for alias, each in sorted(signature.defaults.items())
            },
        }
        for name, signature in sorted(signature_def.items())
    }


def _tensor(value: Any) -> Dict[str, Any]:
    shown = {**_WITHOUT_VALUES, **MessageToDict(value, preserving_proto_field_name=True)}
    shown["dtype"] = dtype_name(value.dtype)
    if value.HasField("tensor_shape"):
        shown["tensor_shape"] = _shape(value.tensor_shape)
    return shown


def _shape(shape: Any) -> Dict[str, Any]:
    return {
        "dim": [{"size": str(dim.size), "name": dim.name} for dim in shape.dim],
        "unknown_rank": shape.unknown_rank,
    }


def _infos(infos: Any) -> Dict[str, Any]:
    return {alias: _info(info) for alias, info in sorted(infos.items())}


def _info(info: Any) -> Dict[str, Any]:
    value = info.DESCRIPTOR.fields_by_name["dtype"].enum_type.values_by_number.get(info.dtype)
    shown: Dict[str, Any] = {"dtype": value.name if value else dtype_name(info.dtype)}
    if info.HasField("tensor_shape"):
        shown["tensor_shape"] = _shape(info.tensor_shape)
    if info.HasField("coo_sparse"):
        sparse = info.coo_sparse
        shown["coo_sparse"] = {
            field.name: getattr(sparse, field.name) for field in sparse.DESCRIPTOR.fields
        }
    else:
        shown["name"] = info.name
    return shown
