"""
The codecs of `PredictionService`.

They omit the `model_spec` of answers, because a worker does not know its version. The frontend
appends that field, which protobuf allows in any place.
"""

from typing import Any, Dict, List, Sequence, Tuple

import numpy as np

import eas_wire as wire
from eas_processor.codecs.codec import Codec, Form, Target
from eas_processor.codecs.tensor_proto.answers import (
    RESULT,
    write_classification,
    write_regression,
)
from eas_processor.codecs.tensor_proto.messages import read_examples_request, read_predict
from eas_processor.codecs.tensor_proto.names import check_names
from eas_wire import Request, Stack, Tensor
from eas_wire.fields import LENGTH, length_field, tag_of
from eas_wire.outlines import Outlines
from eas_wire.tensor_proto.writing import write_shares, write_tensors

OUTPUTS = tag_of(1, LENGTH)
_EXAMPLES = "inputs"
"""The name of the only input in signatures for classification and regression."""

# The numpy kinds whose arrays may be views of the body: float, complex, signed, unsigned.
_VIEWED = "fciu"


class TensorProto(Codec):
    """The codec of `PredictRequest`, which answers with values in typed fields."""

    number = 5
    strict_shapes = False
    has_unsigned = True
    as_content = False

    def __init__(self) -> None:
        self._outlines = Outlines(_VIEWED)

    def decode(self, body: Any, target: Target) -> Tuple[Request, Form]:
        """Decode `body`; the arrays may be views of it."""
        view = memoryview(body).cast("B")
        request = self._outlines.recall(view)
        if request is None:
            request = Request(*read_predict(view))
            self._outlines.learn(view, request)
        return check_names(request, target), None

    def encode(self, outputs: Dict[str, Tensor], form: Form) -> bytes:
        """Encode a `PredictResponse` without `model_spec`."""
        return write_tensors(OUTPUTS, outputs, self.as_content)

    def encode_shares(self, outputs: Dict[str, Tensor], count: int, form: Form) -> List[bytes]:
        """Encode `count` responses, which share the rows equally."""
        return write_shares(OUTPUTS, outputs, count, self.as_content)

    def stack(self, bodies: Sequence[Any], places: Sequence[int]) -> Tuple[List[Stack], List[int]]:
        """Decode together the requests that differ in their values alone."""
        return self._outlines.stacks(bodies, places)


class TensorContent(TensorProto):
    """The codec of `PredictRequest`, which answers with values in `tensor_content`."""

    number = 6
    as_content = True


class _OfExamples(Codec):
    """The common base of the codecs of examples. A form is the number of examples."""

    strict_shapes = False
    checks_dtypes = False
    method = ""
    message = ""

    def decode(self, body: Any, target: Target) -> Tuple[Request, Form]:
        """Decode `body` into one tensor of serialized examples."""
        asked = read_examples_request(memoryview(body).cast("B"), self.message)
        outputs = target.example_outputs(asked.signature_name, self.method)
        strings = np.empty(len(asked.examples), object)
        strings[:] = asked.examples
        inputs = {_EXAMPLES: Tensor(wire.DT_STRING, strings)}
        return Request(asked.signature_name, inputs, list(outputs)), len(strings)


class ClassifyProto(_OfExamples):
    """The codec of `ClassificationRequest` and `ClassificationResponse`."""

    number = 7
    method = "classify"
    message = "ClassificationRequest"

    def encode(self, outputs: Dict[str, Tensor], form: Form) -> bytes:
        """Encode the labels and scores of each example."""
        return length_field(RESULT, write_classification(outputs, form))


class RegressProto(_OfExamples):
    """The codec of `RegressionRequest` and `RegressionResponse`."""

    number = 8
    method = "regress"
    message = "RegressionRequest"

    def encode(self, outputs: Dict[str, Tensor], form: Form) -> bytes:
        """Encode one number for each example."""
        return length_field(RESULT, write_regression(outputs, form))
