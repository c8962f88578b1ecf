"""
Read the signatures of a `.tflite` file without TensorFlow.

TensorFlow Serving reads them from a metadata entry of the file, and so does this module. A file
without that entry gets one signature with the names of its tensors.
"""

import struct
from typing import Any, Dict, List, NamedTuple

from google.protobuf.message import DecodeError

import eas_wire as wire
from eas_processor.tf.errors import ModelError
from eas_processor.tf.lite.flatbuffer import Malformed, Table
from eas_processor.tf.lite.flexbuffer import read_map
from eas_processor.tf.model.metadata import metadata_of
from eas_processor.tf.model.schema import DATA_TYPES, SignatureDef
from eas_processor.tf.model.signature_defs import read_signatures
from eas_processor.tf.model.signatures import DEFAULT_NAME, Signature

LITE_FILE = "model.tflite"
"""The file that TensorFlow Serving looks for beside a SavedModel."""

_IDENTIFIER = b"TFL3"
_PREDICT = "tensorflow/serving/predict"
_SIGNATURE_DEFS = "signature_defs_metadata"

# Field numbers, in the order of the format's declarations.
_SUBGRAPHS, _BUFFERS, _METADATA = 2, 4, 6
_TENSORS, _INPUTS, _OUTPUTS = 0, 1, 2
_SHAPE, _TYPE, _NAME, _SHAPE_SIGNATURE = 0, 1, 3, 7
_ENTRY_NAME, _ENTRY_BUFFER, _BUFFER_DATA = 0, 1, 0

_TYPE_NUMBER = struct.Struct("<b")

# The format has its own dtype numbers.
_UINT32, _UINT64 = 22, 23
_DTYPES = {
    0: wire.DT_FLOAT,
    1: wire.DT_HALF,
    2: wire.DT_INT32,
    3: wire.DT_UINT8,
    4: wire.DT_INT64,
    5: wire.DT_STRING,
    6: wire.DT_BOOL,
    7: wire.DT_INT16,
    8: wire.DT_COMPLEX64,
    9: wire.DT_INT8,
    10: wire.DT_DOUBLE,
    11: wire.DT_COMPLEX128,
    12: _UINT64,
    15: _UINT32,
    16: wire.DT_UINT16,
}


class LiteFile(NamedTuple):
    """
    A TensorFlow Lite file: its path, its bytes, and its signatures by name.

    `metadata` has the signatures in the JSON of TensorFlow Serving's `/metadata`.
    """

    path: str
    content: bytes
    signatures: Dict[str, Signature]
    metadata: Dict[str, Any]


def read_lite_file(path: str) -> LiteFile:
    """Read the file at `path`. Raises ModelError if it is not a TensorFlow Lite model."""
    with open(path, "rb") as file:
        content = file.read()
    try:
        definitions = _signature_defs(content)
    except (Malformed, DecodeError) as error:
        raise ModelError(
            f"{path} is not a TensorFlow Lite model: its {len(content)} bytes cannot be read, so "
            f"it is incomplete or of another kind ({error})"
        ) from None
    return LiteFile(path, content, read_signatures(definitions), metadata_of(definitions))


def _signature_defs(content: bytes) -> Dict[str, Any]:
    if content[4:8] != _IDENTIFIER:
        raise Malformed(f"it lacks the identifier {_IDENTIFIER.decode()}")
    model = Table.root(content)
    graphs, buffers = model.tables(_SUBGRAPHS), model.tables(_BUFFERS)
    if not graphs:
        raise Malformed("it holds no graph")
    for entry in model.tables(_METADATA):
        if entry.text(_ENTRY_NAME) == _SIGNATURE_DEFS:
            blob = _one_of(buffers, entry.number(_ENTRY_BUFFER)).data(_BUFFER_DATA)
            return {key: SignatureDef.FromString(each) for key, each in read_map(blob).items()}
    return {DEFAULT_NAME: _of_tensors(graphs[0])}


def _of_tensors(graph: Table) -> Any:
    """Return a signature with the names of a graph's input and output tensors."""
    tensors = graph.tables(_TENSORS)
    definition = SignatureDef(method_name=_PREDICT)
    for infos, field in ((definition.inputs, _INPUTS), (definition.outputs, _OUTPUTS)):
        for number in graph.numbers(field):
            tensor = _one_of(tensors, number)
            info = infos[tensor.text(_NAME)]
            info.name = tensor.text(_NAME)
            info.dtype = _dtype(tensor.number(_TYPE, _TYPE_NUMBER))
            info.tensor_shape.SetInParent()
            for size in tensor.numbers(_SHAPE_SIGNATURE) or tensor.numbers(_SHAPE):
                info.tensor_shape.dim.add(size=size)
    return definition


def _dtype(number: int) -> int:
    found = _DTYPES.get(number, 0)
    return found if found in DATA_TYPES else 0


def _one_of(tables: List[Table], number: int) -> Table:
    if not 0 <= number < len(tables):
        raise Malformed(f"it refers to item {number} of {len(tables)}")
    return tables[number]
