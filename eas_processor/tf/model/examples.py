"""Check whether a signature serves TensorFlow Serving's predict, classify or regress."""

from typing import Optional, Sequence

from eas_processor.tf.errors import BadRequest, RunError
from eas_processor.tf.model.signatures import Signature
from eas_wire.text import list_names

_INPUT = "inputs"
_OUTPUTS = {"classify": ("classes", "scores"), "regress": ("outputs",)}

_NOUNS = {"predict": "prediction", "classify": "classification", "regress": "regression"}
_METHOD = "tensorflow/serving/"


def refuse_unknown_method(signature: Signature) -> None:
    """Raise RunError unless a signature's method is one of TensorFlow Serving's three."""
    known = [_METHOD + each for each in _NOUNS]
    if signature.method_name not in known:
        raise RunError(
            "Expected prediction signature method_name to be one of {%s}. Was: %s"
            % (", ".join(known), signature.method_name)
        )


def outputs_of_examples(
    signature: Optional[Signature], name: str, method: str, checks_method: bool = False
) -> Sequence[str]:
    """
    Return the output names of a signature for `method`, "classify" or "regress".

    Raises BadRequest if it has other inputs or outputs. Declared dtypes are not checked, and the
    declared method only with `checks_method`.
    """
    if signature is None:
        raise BadRequest(f"No signature was found with the name: {name or 'serving_default'}")
    if checks_method and signature.method_name != _METHOD + method:
        raise BadRequest(
            "Expected %s signature method_name to be %s. Was: %s"
            % (_NOUNS[method], _METHOD + method, signature.method_name)
        )
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
