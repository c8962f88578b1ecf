"""Decode requests of TensorFlow Serving's `PredictionService`, with model specs and inputs."""

from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple

from eas_processor.codecs.errors import CodecError
from eas_wire import MalformedMessage, Tensor
from eas_wire.decode import MAX_NAME_BYTES
from eas_wire.fields import LENGTH, VARINT, Allowance, allowance, fields, tag_of
from eas_wire.tensor_proto.tensors import NoTensor, read_tensor
from eas_wire.text import cut
from eas_wire.varints import read_varint

Piece = Tuple[int, int]
"""The place of a message in its body: start and stop."""

# The fields of requests. All of them have the first two.
MODEL_SPEC = tag_of(1, LENGTH)
INPUT = tag_of(2, LENGTH)
OUTPUT_FILTER = tag_of(3, LENGTH)

_KEY = tag_of(1, LENGTH)
_VALUE = tag_of(2, LENGTH)
_NAME = tag_of(1, LENGTH)
_VERSION = tag_of(2, LENGTH)
_SIGNATURE_NAME = tag_of(3, LENGTH)
_VERSION_LABEL = tag_of(4, LENGTH)
_INT64 = tag_of(1, VARINT)
_EXAMPLE_LIST = tag_of(1, LENGTH)
_EXAMPLES_WITH_CONTEXT = tag_of(2, LENGTH)
_EXAMPLE = tag_of(1, LENGTH)
_CONTEXT = tag_of(2, LENGTH)


class ModelSpec(NamedTuple):
    """The model that a request names; `version` is None, and texts are "", if absent."""

    name: str = ""
    version: Optional[int] = None
    label: str = ""
    signature_name: str = ""


class NotThisMessage(CodecError):
    """The bytes are not a message of the expected type."""


class PredictRequest(NamedTuple):
    """The contents of a `PredictRequest`."""

    signature_name: str
    inputs: Dict[str, Tensor]
    output_filter: List[str]


class ExamplesRequest(NamedTuple):
    """The contents of a `ClassificationRequest` or `RegressionRequest`: serialized examples."""

    signature_name: str
    examples: List[bytes]


def read_model_spec(view: memoryview, pieces: Sequence[Piece]) -> ModelSpec:
    """Decode a `ModelSpec` from its pieces, which are merged as protobuf merges them."""
    spec = ModelSpec()
    for begin, end in pieces:
        for tag, start, stop in fields(view, begin, end):
            if tag == _NAME:
                spec = spec._replace(name=_text(view, start, stop))
            elif tag == _SIGNATURE_NAME:
                spec = spec._replace(signature_name=_text(view, start, stop))
            elif tag == _VERSION:
                version = 0
                for inner, at, _ in fields(view, start, stop):
                    if inner == _INT64:
                        version = read_varint(view, at)[0]
                version -= version >> 63 << 64
                spec = spec._replace(version=version, label="")
            elif tag == _VERSION_LABEL:
                spec = spec._replace(version=None, label=_text(view, start, stop))
    return spec


def read_predict(view: memoryview) -> PredictRequest:
    """Decode a `PredictRequest`; its arrays may be views of the body. Raises CodecError."""
    allowed = allowance()
    signature_name = ""
    inputs: Dict[str, Tensor] = {}
    output_filter: List[str] = []
    try:
        for tag, start, stop in fields(view, 0, len(view), allowed):
            if tag == INPUT:
                name, tensor = _read_entry(view, start, stop, allowed)
                inputs[name] = tensor
            elif tag == MODEL_SPEC:
                signature_name = _signature_name(view, start, stop, signature_name)
            elif tag == OUTPUT_FILTER:
                output_filter.append(_text(view, start, stop))
    except MalformedMessage as error:
        raise not_a("PredictRequest", view, error) from None
    return PredictRequest(signature_name, inputs, output_filter)


def _signature_name(view: memoryview, begin: int, end: int, known: str) -> str:
    for tag, start, stop in fields(view, begin, end):
        if tag == _SIGNATURE_NAME:
            known = _text(view, start, stop)
    return known


def _read_entry(view: memoryview, begin: int, end: int, allowed: Allowance) -> Tuple[str, Tensor]:
    name = ""
    pieces = []
    for tag, start, stop in fields(view, begin, end, allowed):
        if tag == _KEY:
            name = _text(view, start, stop)
        elif tag == _VALUE:
            pieces.append((start, stop))
    try:
        return name, read_tensor(view, pieces, allowed)
    except NoTensor as error:
        raise CodecError("tensor parsing error: %s (%s)" % (cut(name), error)) from None


def read_examples_request(view: memoryview, message: str) -> ExamplesRequest:
    """Decode the request whose message type is `message`. Raises CodecError."""
    signature_name = ""
    pieces = []
    try:
        for tag, start, stop in fields(view, 0, len(view)):
            if tag == MODEL_SPEC:
                signature_name = _signature_name(view, start, stop, signature_name)
            elif tag == INPUT:
                pieces.append((start, stop))
        return ExamplesRequest(signature_name, read_input(view, pieces))
    except MalformedMessage as error:
        raise not_a(message, view, error) from None


def read_input(view: memoryview, pieces: Sequence[Piece]) -> List[bytes]:
    """
    Return the serialized examples of an `Input`, each with the features of the context.

    Raises CodecError if there are none, and `eas_wire.MalformedMessage`.
    """
    allowed = allowance()
    examples: List[bytes] = []
    context = b""
    kind = 0
    for begin, end in pieces:
        for tag, start, stop in fields(view, begin, end, allowed):
            if tag not in (_EXAMPLE_LIST, _EXAMPLES_WITH_CONTEXT):
                continue
            if tag != kind:  # the last member of a oneof counts
                examples, context, kind = [], b"", tag
            for inner, at, until in fields(view, start, stop, allowed):
                if inner == _EXAMPLE:
                    examples.append(view[at:until].tobytes())
                elif inner == _CONTEXT and tag == _EXAMPLES_WITH_CONTEXT:
                    context += view[at:until].tobytes()
    if not examples:
        raise CodecError("Input is empty.")
    # Protobuf merges concatenated messages, and the example's own features replace the context's.
    return [context + each for each in examples] if context else examples


def not_a(message: str, view: memoryview, error: Exception) -> NotThisMessage:
    """Return the error for bytes that are not a `message`."""
    return NotThisMessage("the body of %d bytes is not a %s: %s" % (len(view), message, error))


def _text(view: memoryview, start: int, stop: int) -> str:
    if stop - start > MAX_NAME_BYTES:
        beginning = cut(str(view[start : start + 80], "utf-8", "replace") + "...")
        raise CodecError(
            "a name of %d bytes, expected %d or fewer: '%s'"
            % (stop - start, MAX_NAME_BYTES, beginning)
        )
    try:
        return str(view[start:stop], "utf-8")
    except UnicodeDecodeError:
        raise MalformedMessage("the name at byte %d is not UTF-8" % start) from None
