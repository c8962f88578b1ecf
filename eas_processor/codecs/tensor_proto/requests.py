"""Encode requests of TensorFlow Serving's `PredictionService`."""

from eas_processor.codecs.tensor_proto.messages import INPUT, MODEL_SPEC, OUTPUT_FILTER
from eas_wire import Request, decode_request
from eas_wire.fields import LENGTH, length_field, tag_of
from eas_wire.tensor_proto.writing import write_tensors

_NAME = tag_of(1, LENGTH)
_EXAMPLE_LIST = tag_of(1, LENGTH)
_EXAMPLE = tag_of(1, LENGTH)
_SIGNATURE_NAME = tag_of(3, LENGTH)


def write_model_spec(name: str, signature_name: str) -> bytes:
    """Encode a `ModelSpec`, without fields that are empty."""
    given = ((_NAME, name), (_SIGNATURE_NAME, signature_name))
    return b"".join([length_field(tag, text.encode()) for tag, text in given if text])


def write_predict_request(request: Request, model: str = "", as_content: bool = False) -> bytes:
    """Encode a `PredictRequest`, with values in `tensor_content` or else in typed fields."""
    spec = write_model_spec(model, request.signature_name)
    names = b"".join([length_field(OUTPUT_FILTER, name.encode()) for name in request.output_filter])
    inputs = write_tensors(INPUT, request.inputs, as_content)
    return length_field(MODEL_SPEC, spec) + inputs + names


def write_examples_request(request: Request, model: str = "") -> bytes:
    """Encode a `ClassificationRequest` or `RegressionRequest`, which have the same fields."""
    (tensor,) = request.inputs.values()
    examples = b"".join([length_field(_EXAMPLE, each) for each in tensor.array.tolist()])
    spec = write_model_spec(model, request.signature_name)
    example_list = length_field(_EXAMPLE_LIST, examples)
    return length_field(MODEL_SPEC, spec) + length_field(INPUT, example_list)


def from_array_proto(body: bytes, model: str = "") -> bytes:
    """Convert a `PredictRequest` of `proto/predict.proto` to TensorFlow Serving's."""
    return write_predict_request(decode_request(body), model)
