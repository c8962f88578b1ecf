"""The signatures of a model, their choice by name, and the checks of tensors against them."""

import logging
from typing import Any, Dict, Iterable, List, Optional, Tuple

from eas_processor.codecs.codec import Spec
from eas_processor.tf.errors import BadRequest, ModelConfigError
from eas_processor.tf.model.schema import DATA_TYPES, REF_OFFSET
from eas_wire import Tensor
from eas_wire.text import cut, list_names, quote

log = logging.getLogger(__name__)

Shape = Optional[Tuple[int, ...]]

DEFAULT_NAME = "serving_default"


def dtype_name(number: int) -> str:
    """Return TensorFlow's name of a dtype, such as `DT_FLOAT`; unknown numbers get `DT_99`."""
    return DATA_TYPES.get(number, f"DT_{number}")


class TensorSpec(Spec):
    """
    A declared input or output of a model.

    `name` is its alias, and `tensor_name` its name in the graph. A sparse tensor has the names of
    its three tensors in `parts`, and an empty `tensor_name`. `shape` has -1 for any size, and is
    None for any rank.
    """

    __slots__ = ("dtype", "name", "parts", "shape", "tensor_name")

    def __init__(
        self,
        name: str,
        tensor_name: str,
        dtype: int,
        shape: Shape,
        parts: Tuple[str, ...] = (),
    ) -> None:
        self.name = name
        self.tensor_name = tensor_name
        self.dtype = dtype % REF_OFFSET
        self.shape = shape
        self.parts = parts

    @property
    def dtype_name(self) -> str:
        """TensorFlow's name of the dtype."""
        return dtype_name(self.dtype)

    def __str__(self) -> str:
        return describe(self.dtype, self.shape)


class Signature:
    """
    One way to call a model: its inputs and outputs by alias.

    `defaults` are the values of inputs that requests of TensorFlow Serving may omit.
    """

    __slots__ = ("defaults", "inputs", "method_name", "name", "outputs")

    def __init__(
        self,
        name: str,
        method_name: str,
        inputs: Dict[str, TensorSpec],
        outputs: Dict[str, TensorSpec],
        defaults: Optional[Dict[str, Tensor]] = None,
    ) -> None:
        self.defaults = defaults or {}
        self.name = name
        self.method_name = method_name
        self.inputs = inputs
        self.outputs = outputs

    def to_json(self) -> Dict[str, Any]:
        """Return the answer to an empty request; the shape of an unknown rank is null."""
        return {
            "signature_name": self.name,
            "inputs": [_spec_to_json(spec) for spec in self.inputs.values()],
            "outputs": [_spec_to_json(spec) for spec in self.outputs.values()],
        }


def _spec_to_json(spec: TensorSpec) -> Dict[str, Any]:
    shape = None if spec.shape is None else list(spec.shape)
    return {"name": spec.name, "shape": shape, "type": dtype_name(spec.dtype)}


def describe(dtype: int, shape: Shape) -> str:
    """Return a dtype and shape as text for messages: `DT_FLOAT [-1, 784]`."""
    return dtype_name(dtype) + (" of any shape" if shape is None else " " + cut(str(list(shape))))


def public_names(signatures: Iterable[str]) -> List[str]:
    """Return the sorted names without TensorFlow's own, which begin with `__`."""
    return sorted(name for name in signatures if not name.startswith("__"))


def choose_default(signatures: Dict[str, Signature], configured: str) -> Optional[Signature]:
    """
    Return the signature for requests without a signature name, or None if there is no signature.

    This is `model_config.signature_name`, or `serving_default`, or the first by name. Raises
    ModelConfigError if the configured one does not exist.
    """
    names = public_names(signatures)
    if not names:
        return None
    if configured:
        if configured not in names:
            raise ModelConfigError(
                f"model_config.signature_name: expected one of {list_names(names)}, "
                f"got '{configured}'"
            )
        return signatures[configured]
    if DEFAULT_NAME in names:
        return signatures[DEFAULT_NAME]
    if len(names) > 1:
        log.info(
            "requests without a signature name use '%s', the first by name of %s; "
            "model_config.signature_name chooses another",
            names[0],
            list_names(names),
        )
    return signatures[names[0]]


def find_signature(signatures: Dict[str, Signature], name: str) -> Signature:
    """Return the signature `name`. Raises BadRequest with the known names."""
    if name in signatures and not name.startswith("__"):
        return signatures[name]
    known = list_names(public_names(signatures))
    raise BadRequest(f"unknown signature {quote(name)}: this model has {known}")


def check_tensor(spec: TensorSpec, dtype: int, shape: Tuple[int, ...], strict_shapes: bool) -> None:
    """Raise BadRequest unless `dtype` and, with `strict_shapes`, `shape` fit `spec`."""
    if dtype == spec.dtype and (not strict_shapes or shape_fits(spec.shape, shape)):
        return
    expected = str(spec) if strict_shapes else dtype_name(spec.dtype)
    count = 1
    for size in shape:
        count *= size
    values = "1 value" if count == 1 else f"{count} values"
    raise BadRequest(
        f"input {quote(spec.name)}: expected {expected}, got {describe(dtype, shape)} with {values}"
    )


def shape_fits(declared: Shape, shape: Tuple[int, ...]) -> bool:
    """Return whether `shape` has the declared rank and fixed sizes."""
    if declared is None:
        return True
    if len(declared) != len(shape):
        return False
    for wanted, size in zip(declared, shape):  # noqa: SIM110 - all() takes 0.5 us longer
        if wanted not in (-1, size):
            return False
    return True
