"""
Convert the bodies of EAS requests and responses to numpy arrays, and back.

No other package knows the encoding of `proto/predict.proto`. This one needs only numpy. The
protobuf classes of the same messages are in `eas_wire.schema`.
"""

from eas_wire.decode import decode_request, decode_response, stack_requests
from eas_wire.dtypes import (
    DT_BFLOAT16,
    DT_BOOL,
    DT_COMPLEX64,
    DT_COMPLEX128,
    DT_DOUBLE,
    DT_FLOAT,
    DT_HALF,
    DT_INT8,
    DT_INT16,
    DT_INT32,
    DT_INT64,
    DT_INVALID,
    DT_QINT8,
    DT_QINT16,
    DT_QINT32,
    DT_QUINT8,
    DT_QUINT16,
    DT_RESOURCE,
    DT_STRING,
    DT_UINT8,
    DT_UINT16,
    DT_VARIANT,
    dtype_name,
    dtype_number,
    storage_dtype,
)
from eas_wire.encode import encode_request, encode_response, encode_responses
from eas_wire.errors import (
    EncodeError,
    MalformedMessage,
    MisplacedValues,
    NameTooLong,
    ShapeMismatch,
    UnsupportedDtype,
    ValueOutOfRange,
    WireError,
)
from eas_wire.outlines import Stack
from eas_wire.tensors import Request, Tensor

__all__ = [
    "DT_BFLOAT16",
    "DT_BOOL",
    "DT_COMPLEX64",
    "DT_COMPLEX128",
    "DT_DOUBLE",
    "DT_FLOAT",
    "DT_HALF",
    "DT_INT8",
    "DT_INT16",
    "DT_INT32",
    "DT_INT64",
    "DT_INVALID",
    "DT_QINT8",
    "DT_QINT16",
    "DT_QINT32",
    "DT_QUINT8",
    "DT_QUINT16",
    "DT_RESOURCE",
    "DT_STRING",
    "DT_UINT8",
    "DT_UINT16",
    "DT_VARIANT",
    "EncodeError",
    "MalformedMessage",
    "MisplacedValues",
    "NameTooLong",
    "Request",
    "ShapeMismatch",
    "Stack",
    "Tensor",
    "UnsupportedDtype",
    "ValueOutOfRange",
    "WireError",
    "decode_request",
    "decode_response",
    "dtype_name",
    "dtype_number",
    "encode_request",
    "encode_response",
    "encode_responses",
    "stack_requests",
    "storage_dtype",
]
