"""The codecs of `:predict`, `:classify` and `:regress`."""

import json
from typing import Any, Dict, List, Sequence, Tuple, Type

import numpy as np

import eas_wire as wire
from eas_processor.codecs.codec import Codec, Form, Target
from eas_processor.codecs.eas_json.inputs import read_tensor
from eas_processor.codecs.eas_json.request import Body
from eas_processor.codecs.eas_json.text import readings, write_numbers
from eas_processor.codecs.eas_json.turns import turn
from eas_processor.codecs.errors import CodecError
from eas_processor.codecs.example_results import classification_of, regression_of
from eas_processor.codecs.tfs_json.answer import write, write_shares
from eas_processor.codecs.tfs_json.examples import examples_of
from eas_processor.codecs.tfs_json.explain import TAKEN, read_or_explain
from eas_processor.codecs.tfs_json.request import JsonObject, columns_of, input_names
from eas_wire import Request, Tensor

EXAMPLES = "inputs"
"""The name of the only input in signatures for classification and regression."""


class TfsJson(Codec):
    """The common base of the three codecs."""

    strict_shapes = False
    inline_bytes = 64 * 1024

    def decode(self, body: Any, target: Target) -> Tuple[Request, Form]:
        """Decode `body` into a request and the form of its answer."""
        text = Body(body)
        if not text.is_large:
            return self._read(text, target)
        with turn():
            return self._read(text, target)

    def _read(self, body: Body, target: Target) -> Tuple[Request, Form]:
        refusal: Tuple[str, Type[CodecError]] = ("", CodecError)
        for exact in readings():
            try:
                return self._decode(JsonObject(body, exact), target)
            except CodecError as error:
                refusal = str(error), type(error)
            finally:
                body.discard()
        raise refusal[1](refusal[0])

    def _decode(self, asked: JsonObject, target: Target) -> Tuple[Request, Form]:
        raise NotImplementedError


class TfsPredict(TfsJson):
    """The codec of `:predict`. A form tells whether the answer is by rows."""

    number = 2

    def _decode(self, asked: JsonObject, target: Target) -> Tuple[Request, Form]:
        names = input_names(target, asked)
        columns = columns_of(asked, names)
        by_rows = "instances" in asked.document
        inputs: Dict[str, Tensor] = {}
        for spec in target.specs(asked.signature_name, names, []):
            inputs[spec.name] = _tensor(spec, columns[spec.name], by_rows, asked.has_booleans)
        return Request(asked.signature_name, inputs, []), by_rows

    def encode(self, outputs: Dict[str, Tensor], form: Form) -> bytes:
        """Encode rows in `predictions`, or whole tensors in `outputs`."""
        return write(outputs, form)

    def encode_shares(self, outputs: Dict[str, Tensor], count: int, form: Form) -> List[bytes]:
        """Encode `count` answers, which share the rows equally."""
        return write_shares(outputs, count, form)


def _tensor(spec: Any, value: Any, by_rows: bool, has_booleans: bool) -> Tensor:
    try:
        if spec.dtype in TAKEN:
            return read_tensor(spec, value, has_booleans)
        refusal = CodecError("it cannot be sent in JSON")
    except CodecError as error:
        refusal = error
    return read_or_explain(spec, value, by_rows, refusal)


class _OfExamples(TfsJson):
    """The common base of `:classify` and `:regress`. A form is the number of examples."""

    checks_dtypes = False
    method = ""

    def _decode(self, asked: JsonObject, target: Target) -> Tuple[Request, Form]:
        examples = examples_of(asked.document)
        outputs = target.example_outputs(asked.signature_name, self.method)
        strings = np.empty(len(examples), object)
        strings[:] = examples
        inputs = {EXAMPLES: Tensor(wire.DT_STRING, strings)}
        return Request(asked.signature_name, inputs, list(outputs)), len(examples)


class TfsClassify(_OfExamples):
    """The codec of `:classify`."""

    number = 3
    method = "classify"

    def encode(self, outputs: Dict[str, Tensor], form: Form) -> bytes:
        """Encode a list of (label, score) pairs for each example."""
        labels, values = classification_of(outputs, form)
        results = [
            _pairs(labels[row] if labels else [], values[row] if values else [])
            for row in range(form)
        ]
        return json.dumps({"results": results}, ensure_ascii=False).encode("utf-8")


def _pairs(labels: Sequence[Any], scores: Sequence[float]) -> List[List[Any]]:
    count = max(len(labels), len(scores))
    texts = [each.decode("utf-8", "replace") for each in labels] or [""] * count
    return [[text, score] for text, score in zip(texts, list(scores) or [0.0] * count)]


class TfsRegress(_OfExamples):
    """The codec of `:regress`."""

    number = 4
    method = "regress"

    def encode(self, outputs: Dict[str, Tensor], form: Form) -> bytes:
        """Encode one number for each example."""
        return b'{"results": ' + write_numbers(regression_of(outputs, form)) + b"}"
