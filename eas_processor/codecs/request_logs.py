"""Convert a request in any codec, and its answer, to a `PredictionLog`."""

import base64
import json
from typing import Any, Callable, Dict, List, Tuple

import numpy as np

import eas_wire as wire
from eas_processor.codecs.array_proto import ArrayProto
from eas_processor.codecs.codec import Target
from eas_processor.codecs.errors import CodecError
from eas_processor.codecs.prediction_log import write_prediction_log
from eas_processor.codecs.registry import find
from eas_processor.codecs.tensor_proto.answers import (
    RESULT,
    write_classification,
    write_regression,
)
from eas_processor.codecs.tensor_proto.codec import (
    OUTPUTS,
    ClassifyProto,
    RegressProto,
    TensorContent,
    TensorProto,
)
from eas_processor.codecs.tensor_proto.multi_inference import MultiInference
from eas_processor.codecs.tensor_proto.requests import (
    write_examples_request,
    write_predict_request,
)
from eas_processor.codecs.tfs_json.codec import TfsClassify, TfsPredict, TfsRegress
from eas_wire import Tensor
from eas_wire.fields import length_field
from eas_wire.tensor_proto.layouts import LAYOUTS, dtype_name
from eas_wire.tensor_proto.writing import write_tensors

OutputDtypes = Callable[[str], Dict[str, int]]
"""Returns the dtype numbers of a signature's outputs by name, for the signature's name."""

_UNCHANGED = {
    TensorProto.number: TensorProto.number,
    TensorContent.number: TensorProto.number,
    ClassifyProto.number: ClassifyProto.number,
    RegressProto.number: RegressProto.number,
    MultiInference.number: MultiInference.number,
}
_OF_EXAMPLES = {TfsClassify.number: ClassifyProto.number, TfsRegress.number: RegressProto.number}


def log_of(
    codec: int,
    body: Any,
    answer: bytes,
    target: Target,
    output_dtypes: OutputDtypes,
    model: str,
    metadata: bytes,
) -> bytes:
    """
    Return the log of a request whose codec is number `codec`.

    For the JSON of the EAS routes the log has no answer, because its form depends on the request.
    Raises the errors of `Codec.decode`.
    """
    if codec in _UNCHANGED:
        return write_prediction_log(_UNCHANGED[codec], bytes(body), answer, metadata)
    request, _ = find(codec).decode(body, target)
    if codec in _OF_EXAMPLES:
        kind = _OF_EXAMPLES[codec]
        written = write_examples_request(request, model)
        result = _result(kind, json.loads(answer.decode("utf-8"))["results"])
        return write_prediction_log(kind, written, result, metadata)
    outputs: Dict[str, Tensor] = {}
    if codec == ArrayProto.number:
        outputs = wire.decode_response(answer)
    elif codec == TfsPredict.number:
        outputs = _outputs(answer, output_dtypes(request.signature_name))
    written = write_predict_request(request, model)
    response = write_tensors(OUTPUTS, outputs, as_content=False)
    return write_prediction_log(TensorProto.number, written, response, metadata)


def _result(kind: int, results: List[Any]) -> bytes:
    """Convert the `results` of a JSON answer to a protobuf response."""
    count = len(results)
    if kind == RegressProto.number:
        values = Tensor(wire.DT_FLOAT, np.array(results, np.float32))
        written = write_regression({"outputs": values}, count)
    else:
        pairs = [list(zip(*row)) or [(), ()] for row in results]
        labels = np.array([[each.encode() for each in names] for names, _ in pairs], object)
        scores = np.array([numbers for _, numbers in pairs], np.float32)
        written = write_classification(
            {
                "classes": Tensor(wire.DT_STRING, labels.reshape(count, -1)),
                "scores": Tensor(wire.DT_FLOAT, scores.reshape(count, -1)),
            },
            count,
        )
    return length_field(RESULT, written)


def _outputs(answer: bytes, dtypes: Dict[str, int]) -> Dict[str, Tensor]:
    """Decode the tensors in the JSON answer of `:predict`."""
    document = json.loads(answer.decode("utf-8"))
    if "predictions" in document:
        columns = document["predictions"]
        if len(dtypes) > 1:
            columns = {name: [row[name] for row in columns] for name in dtypes}
    else:
        columns = document["outputs"]
    if len(dtypes) == 1:
        columns = dict.fromkeys(dtypes, columns)
    return {name: Tensor(dtype, _array(dtype, columns[name])) for name, dtype in dtypes.items()}


def _array(dtype: int, values: Any) -> "np.ndarray[Any, Any]":
    if dtype not in LAYOUTS:
        raise CodecError("%s cannot be logged" % dtype_name(dtype))
    if dtype != wire.DT_STRING:
        return np.array(values, LAYOUTS[dtype].storage)
    flat: List[bytes] = []
    shape = _flatten(values, flat)
    strings = np.empty(len(flat), object)
    strings[:] = flat
    return strings.reshape(shape)


def _flatten(value: Any, flat: List[bytes]) -> Tuple[int, ...]:
    """Append the strings in nested lists to `flat`, as bytes; return their shape."""
    if isinstance(value, list):
        shapes = [_flatten(each, flat) for each in value]
        return (len(value), *(shapes[0] if shapes else ()))
    flat.append(base64.b64decode(value["b64"]) if isinstance(value, dict) else value.encode())
    return ()
