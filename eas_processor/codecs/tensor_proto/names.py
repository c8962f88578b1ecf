"""Check the names in a `PredictRequest`, with TensorFlow Serving's messages."""

from typing import Iterable, Optional, Sequence

from eas_processor.codecs.codec import Target
from eas_processor.codecs.errors import CodecError
from eas_wire import Request
from eas_wire.text import cut, cut_list

_DEFAULT = "serving_default"


class NoSignature(CodecError):
    """The model has no signature with the name in the request."""

    code = "FAILED_PRECONDITION"


def check_names(request: Request, target: Target) -> Request:
    """
    Return the request, completed with the default values of omitted inputs.

    Raises CodecError if its inputs or outputs are not those of the signature.
    """
    names = _inputs_of(request.signature_name, target)
    if names is None:  # Without signatures, requests name the tensors of the graph.
        return request
    sent = request.inputs
    if len(sent) < len(names):
        request = _with_defaults(request, target)
    inputs = request.inputs
    if len(inputs) != len(names):
        missing = [name for name in names if name not in inputs]
        extra = [name for name in sent if name not in names]
        raise CodecError(
            "input size does not match signature: %d!=%d len({%s}) != len({%s}). "
            "Sent extra: {%s}. Missing but required: {%s}."
            % (
                len(sent),
                len(names),
                _listed(sent),
                _listed(names),
                _listed(extra),
                _listed(missing),
            )
        )
    for name in names:
        if name not in inputs:
            raise CodecError(
                "Signature input alias: %s not found in request and no default value provided. "
                "Inputs expected to be in the set {%s}." % (cut(name), _listed(names))
            )
    if request.output_filter:
        _check_filter(request, target)
    return request


def _with_defaults(request: Request, target: Target) -> Request:
    # A new request: the one that was decoded stays as the client sent it.
    inputs = {**target.input_defaults(request.signature_name), **request.inputs}
    return Request(request.signature_name, inputs, request.output_filter)


def _inputs_of(signature_name: str, target: Target) -> Optional[Sequence[str]]:
    try:
        return target.input_names(signature_name)
    except Exception as error:
        if not hasattr(error, "code"):
            raise
        raise NoSignature(
            'Serving signature key "%s" not found.' % cut(signature_name or _DEFAULT)
        ) from None


def _check_filter(request: Request, target: Target) -> None:
    known = target.output_names(request.signature_name)
    seen = set()
    for name in request.output_filter:
        if known is not None and name not in known:
            raise CodecError(
                "output tensor alias not found in signature: %s Outputs expected to be in the "
                "set {%s}." % (cut(name), _listed(known))
            )
        if name in seen:
            raise CodecError("duplicate output tensor alias: " + cut(name))
        seen.add(name)


def _listed(names: Iterable[str]) -> str:
    return cut_list(sorted(names)).replace(", ", ",")
