"""Signatures that take serialized examples, to classify or to regress."""

from typing import Optional, Sequence

from eas_processor.tf.errors import BadRequest
from eas_processor.tf.model.signatures import Signature
from eas_wire.text import list_names

_INPUT = "inputs"
_OUTPUTS = {"classify": ("classes", "scores"), "regress": ("outputs",)}


def outputs_of_examples(signature: Optional[Signature], name: str, method: str) -> Sequence[str]:
    """
    Return the outputs of a signature that `method` reads; raise `BadRequest` where it has others.

    Neither the signature's declared dtype nor its own method is looked at.
    """
    if signature is None:
        raise BadRequest(f"No signature was found with the name: {name or 'serving_default'}")
    if list(signature.inputs) != [_INPUT]:
        raise BadRequest(
            f"Expected one input Tensor, named '{_INPUT}'; signature '{signature.name}' has "
            f"{list_names(signature.inputs) or 'none'}"
        )
    known = _OUTPUTS[method]
    found = [each for each in known if each in signature.outputs]
    if not found or len(found) != len(signature.outputs):
        raise BadRequest(
            f"Expected outputs {' and '.join(known)} to {method}; signature '{signature.name}' has "
            f"{list_names(signature.outputs)}"
        )
    return found
