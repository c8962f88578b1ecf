"""`MultiInferenceRequest`: several signatures that classify or regress, with one `Input`."""

from typing import List, Tuple

from eas_processor.codecs.errors import CodecError
from eas_processor.codecs.tensor_proto.messages import (
    INPUT,
    MODEL_SPEC,
    not_a,
    read_model_spec,
)
from eas_wire import MalformedMessage
from eas_wire.fields import LENGTH, fields, length_field, tag_of
from eas_wire.text import cut

CLASSIFY = "tensorflow/serving/classify"
REGRESS = "tensorflow/serving/regress"

_TASK = tag_of(1, LENGTH)
_METHOD = tag_of(2, LENGTH)


class UnsupportedMethod(CodecError):
    """A task neither classifies nor regresses."""

    code = "UNIMPLEMENTED"


def split_multi_inference(view: memoryview) -> List[Tuple[str, bytes]]:
    """
    Return the method of each task, and the request that it comes to alone.

    That is a `ClassificationRequest` or `RegressionRequest`. Raises CodecError.
    """
    tasks: List[Tuple[str, bytes]] = []
    inputs = b""
    try:
        for tag, start, stop in fields(view, 0, len(view)):
            if tag == _TASK:
                tasks.append(_task(view, start, stop))
            elif tag == INPUT:
                inputs += length_field(INPUT, view[start:stop].tobytes())
        _check(tasks)
    except MalformedMessage as error:
        raise not_a("MultiInferenceRequest", view, error) from None
    return [(method, length_field(MODEL_SPEC, spec) + inputs) for method, spec in tasks]


def _task(view: memoryview, begin: int, end: int) -> Tuple[str, bytes]:
    """Return the method and the `ModelSpec` of a task."""
    method, spec = "", b""
    for tag, start, stop in fields(view, begin, end):
        if tag == MODEL_SPEC:
            spec += view[start:stop].tobytes()
        elif tag == _METHOD:
            method = str(view[start:stop], "utf-8", "replace")
    return method, spec


def _check(tasks: List[Tuple[str, bytes]]) -> None:
    specs = [read_model_spec(memoryview(spec), [(0, len(spec))]) for _, spec in tasks]
    seen = set()
    for (method, _), spec in zip(tasks, specs):
        if spec.name != specs[0].name:
            raise CodecError(
                "All ModelSpecs in a MultiInferenceRequest must access the same model name."
            )
        if spec.signature_name in seen:
            raise CodecError("Duplicate evaluation of signature: " + cut(spec.signature_name))
        seen.add(spec.signature_name)
        if method not in (CLASSIFY, REGRESS):
            raise UnsupportedMethod("Unsupported signature method_name: " + cut(method))
