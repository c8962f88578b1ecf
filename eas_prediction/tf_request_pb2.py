"""The messages and numbers of `predict.proto`, under the name of the vendor's generated module."""

from __future__ import annotations

from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper
from google.protobuf.message import DecodeError

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
)
from eas_wire.schema import ArrayProto, ArrayShape, PredictRequest, PredictResponse

DESCRIPTOR = PredictRequest.DESCRIPTOR.file
ArrayDataType = EnumTypeWrapper(DESCRIPTOR.enum_types_by_name["ArrayDataType"])

__all__ = [
    "DESCRIPTOR",
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
    "ArrayDataType",
    "ArrayProto",
    "ArrayShape",
    "DecodeError",
    "PredictRequest",
    "PredictResponse",
]
