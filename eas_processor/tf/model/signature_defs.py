"""Convert `SignatureDef` messages to signatures."""

import logging
from typing import Any, Dict

from eas_processor.tf.model.signatures import Shape, Signature, TensorSpec
from eas_wire import Tensor, WireError
from eas_wire.tensor_proto.tensors import NoTensor, read_tensor
from eas_wire.text import quote

log = logging.getLogger(__name__)


def read_signatures(signature_defs: Any) -> Dict[str, Signature]:
    """Convert a map of `SignatureDef` messages to signatures, sorted by name."""
    return {
        name: Signature(
            name,
            signature.method_name,
            _read_specs(signature.inputs),
            _read_specs(signature.outputs),
            _read_defaults(name, signature.defaults),
        )
        for name, signature in sorted(signature_defs.items())
    }


def read_shape(owner: Any, field: str = "shape") -> Shape:
    """Return the shape in a field of a message, or None for any shape."""
    shape = getattr(owner, field)
    if not owner.HasField(field) or shape.unknown_rank:
        return None
    return tuple(dim.size for dim in shape.dim)


def _read_specs(infos: Any) -> Dict[str, TensorSpec]:
    return {alias: _read_spec(alias, info) for alias, info in sorted(infos.items())}


def _read_defaults(signature: str, values: Any) -> Dict[str, Tensor]:
    """Return the default values of inputs; those that cannot be decoded are logged."""
    defaults = {}
    for alias, value in sorted(values.items()):
        content = value.SerializeToString()
        try:
            defaults[alias] = read_tensor(memoryview(content), [(0, len(content))])
        except (NoTensor, WireError) as error:
            log.warning(
                "signature %s: the default of input %s cannot be decoded, so requests must send "
                "the input: %s",
                *(quote(signature), quote(alias), error),
            )
    return defaults


def _read_spec(alias: str, info: Any) -> TensorSpec:
    sparse = info.coo_sparse
    parts = (sparse.indices_tensor_name, sparse.values_tensor_name, sparse.dense_shape_tensor_name)
    shape = read_shape(info, "tensor_shape")
    return TensorSpec(alias, info.name, info.dtype, shape, parts if any(parts) else ())
