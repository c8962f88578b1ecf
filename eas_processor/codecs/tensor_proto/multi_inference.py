"""The codec of `MultiInference`: several classifications and regressions of one `Input`."""

from typing import Any, Dict, List, NamedTuple, Tuple

import numpy as np

import eas_wire as wire
from eas_processor.codecs.codec import Codec, Form, Target
from eas_processor.codecs.errors import CodecError
from eas_processor.codecs.tensor_proto.answers import write_classification, write_regression
from eas_processor.codecs.tensor_proto.messages import (
    INPUT,
    MODEL_SPEC,
    ModelSpec,
    Piece,
    not_a,
    read_input,
    read_model_spec,
)
from eas_processor.codecs.tensor_proto.requests import write_model_spec
from eas_wire import MalformedMessage, Request, Tensor
from eas_wire.fields import LENGTH, fields, length_field, tag_of
from eas_wire.text import cut

CLASSIFY = "tensorflow/serving/classify"
REGRESS = "tensorflow/serving/regress"

_DEFAULT = "serving_default"
_EXAMPLES = "inputs"
_TASK = tag_of(1, LENGTH)
_METHOD = tag_of(2, LENGTH)
_RESULTS = tag_of(1, LENGTH)
_CLASSIFICATION = tag_of(2, LENGTH)
_REGRESSION = tag_of(3, LENGTH)


class UnsupportedMethod(CodecError):
    """The method of a task is neither classification nor regression."""

    code = "UNIMPLEMENTED"


class _Head(NamedTuple):
    """One task: its model, whether it classifies, and its outputs as (alias, tensor name)."""

    spec: ModelSpec
    classifies: bool
    outputs: Tuple[Tuple[str, str], ...]


class MultiInference(Codec):
    """
    The codec of `MultiInferenceRequest` and `MultiInferenceResponse`.

    One run computes the outputs of all heads. A form is the number of examples, and the heads. The
    `model_spec` of each result has no version; the frontend appends it.
    """

    number = 9
    strict_shapes = False
    checks_dtypes = False

    def decode(self, body: Any, target: Target) -> Tuple[Request, Form]:
        """Decode `body` into one request for the output tensors of all heads."""
        tasks, examples = read_multi_inference(memoryview(body).cast("B"))
        heads = []
        fed = ""
        for method, spec in tasks:
            classifies = method == CLASSIFY
            kind = "classify" if classifies else "regress"
            tensor, outputs = target.example_tensors(spec.signature_name, kind)
            if fed and tensor != fed:
                raise CodecError("Input tensor must be the same for all Signatures.")
            fed = tensor
            heads.append(_Head(spec, classifies, tuple(outputs.items())))
        strings = np.empty(len(examples), object)
        strings[:] = examples
        asked = dict.fromkeys(tensor for head in heads for _, tensor in head.outputs)
        inputs = {_EXAMPLES: Tensor(wire.DT_STRING, strings)}
        request = Request(heads[0].spec.signature_name, inputs, list(asked))
        return request, (len(examples), tuple(heads))

    def encode(self, outputs: Dict[str, Tensor], form: Form) -> bytes:
        """Encode one result for each head, in the order of the tasks."""
        count, heads = form
        return b"".join([length_field(_RESULTS, _result(outputs, count, head)) for head in heads])


def _result(outputs: Dict[str, Tensor], count: int, head: _Head) -> bytes:
    own = {alias: outputs[tensor] for alias, tensor in head.outputs}
    if head.classifies:
        result = length_field(_CLASSIFICATION, write_classification(own, count))
    else:
        result = length_field(_REGRESSION, write_regression(own, count))
    spec = write_model_spec(head.spec.name, head.spec.signature_name)
    return length_field(MODEL_SPEC, spec) + result


_Task = Tuple[str, ModelSpec]


def read_multi_inference(view: memoryview) -> Tuple[List[_Task], List[bytes]]:
    """Decode the method and model of each task, and the examples. Raises CodecError."""
    tasks: List[_Task] = []
    inputs: List[Piece] = []
    try:
        for tag, start, stop in fields(view, 0, len(view)):
            if tag == _TASK:
                tasks.append(_read_task(view, start, stop))
            elif tag == INPUT:
                inputs.append((start, stop))
        _check(tasks)
        return tasks, read_input(view, inputs)
    except MalformedMessage as error:
        raise not_a("MultiInferenceRequest", view, error) from None


def _read_task(view: memoryview, begin: int, end: int) -> _Task:
    method = ""
    specs: List[Piece] = []
    for tag, start, stop in fields(view, begin, end):
        if tag == MODEL_SPEC:
            specs.append((start, stop))
        elif tag == _METHOD:
            method = str(view[start:stop], "utf-8", "replace")
    return method, read_model_spec(view, specs)


def _check(tasks: List[_Task]) -> None:
    if not tasks:
        raise CodecError("MultiInferenceRequest has no tasks.")
    seen = set()
    for method, spec in tasks:
        if not spec.name:
            raise CodecError("Found ModelSpec with an empty model name.")
        if spec.name != tasks[0][1].name:
            raise CodecError(
                "All ModelSpecs in a MultiInferenceRequest must access the same model name."
            )
        signature_name = spec.signature_name or _DEFAULT
        if signature_name in seen:
            raise CodecError("Duplicate evaluation of signature: " + cut(signature_name))
        seen.add(signature_name)
        if method not in (CLASSIFY, REGRESS):
            raise UnsupportedMethod("Unsupported signature method_name: " + cut(method))
