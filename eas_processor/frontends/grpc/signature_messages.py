"""Converts the signatures of a model from the worker's JSON to protobuf messages."""

from __future__ import annotations

import json
import struct
from base64 import b64decode
from collections.abc import Callable
from typing import Any

from eas_processor.frontends.grpc.wire import length_field, number_field, text_field, varint

_DTYPES = (
    *("INVALID", "FLOAT", "DOUBLE", "INT32", "UINT8", "INT16", "INT8", "STRING", "COMPLEX64"),
    *("INT64", "BOOL", "QINT8", "QUINT8", "QINT32", "BFLOAT16", "QINT16", "QUINT16", "UINT16"),
    *("COMPLEX128", "HALF", "RESOURCE", "VARIANT", "UINT32", "UINT64", "FLOAT8_E5M2"),
    *("FLOAT8_E4M3FN", "FLOAT8_E4M3FNUZ", "FLOAT8_E4M3B11FNUZ", "FLOAT8_E5M2FNUZ", "INT4"),
    *("UINT4", "INT2", "UINT2", "FLOAT4_E2M1FN"),
)
_NUMBERS = {f"DT_{name}": number for number, name in enumerate(_DTYPES)}
_REF = 100
"""The number of a reference dtype is that of its dtype plus this."""

# Fields of the messages
_SIGNATURE_DEF = 1
_INPUTS, _OUTPUTS, _METHOD_NAME, _DEFAULTS = 1, 2, 3, 4
_NAME, _INFO_DTYPE, _INFO_SHAPE, _COO_SPARSE = 1, 2, 3, 4
_SPARSE_NAMES = ("values_tensor_name", "indices_tensor_name", "dense_shape_tensor_name")
_DIM, _UNKNOWN_RANK = 2, 3
_SIZE, _DIM_NAME = 1, 2
_TENSOR_DTYPE, _TENSOR_SHAPE, _VERSION_NUMBER = 1, 2, 3


def signature_def_map(text: str) -> bytes:
    """Return the `SignatureDefMap` for the JSON that `/metadata` shows."""
    return _map(_SIGNATURE_DEF, json.loads(text), _signature_def)


def _map(number: int, values: dict[str, Any], write: Callable[[Any], bytes]) -> bytes:
    """Return a field that is a map from texts to messages."""
    return b"".join(map_entry(number, key, write(value)) for key, value in values.items())


def map_entry(number: int, key: str, message: bytes) -> bytes:
    """Return one entry of a map from texts to messages."""
    return length_field(number, text_field(1, key) + length_field(2, message))


def _signature_def(signature: dict[str, Any]) -> bytes:
    return (
        _map(_INPUTS, signature["inputs"], _tensor_info)
        + _map(_OUTPUTS, signature["outputs"], _tensor_info)
        + text_field(_METHOD_NAME, signature["method_name"])
        + _map(_DEFAULTS, signature["defaults"], _tensor)
    )


def _tensor_info(info: dict[str, Any]) -> bytes:
    if (sparse := info.get("coo_sparse")) is not None:
        names = (text_field(each, sparse[name]) for each, name in enumerate(_SPARSE_NAMES, 1))
        encoding = length_field(_COO_SPARSE, b"".join(names))
    else:
        # It is present even if empty, because it is one of a oneof.
        encoding = length_field(_NAME, info["name"].encode())
    return encoding + _typed(_INFO_DTYPE, _INFO_SHAPE, info)


def _typed(dtype: int, shape: int, shown: dict[str, Any]) -> bytes:
    """Return the fields with the dtype and, if known, the shape."""
    written = number_field(dtype, _dtype_number(shown["dtype"]))
    if (given := shown.get("tensor_shape")) is not None:
        written += length_field(shape, _shape(given))
    return written


def _dtype_number(name: str) -> int:
    """Return the number of a dtype. A dtype without a name is written as `DT_` and its number."""
    if name in _NUMBERS:
        return _NUMBERS[name]
    plain = name.removesuffix("_REF")
    if plain in _NUMBERS:
        return _NUMBERS[plain] + _REF
    return int(name.removeprefix("DT_"))


def _shape(shape: dict[str, Any]) -> bytes:
    dims = (
        length_field(
            _DIM, number_field(_SIZE, int(dim["size"])) + text_field(_DIM_NAME, dim["name"])
        )
        for dim in shape["dim"]
    )
    return b"".join(dims) + number_field(_UNKNOWN_RANK, shape["unknown_rank"])


def _tensor(value: dict[str, Any]) -> bytes:
    """Return a `TensorProto`. JSON has 64-bit numbers and non-finite values as texts."""
    written = _typed(_TENSOR_DTYPE, _TENSOR_SHAPE, value)
    written += number_field(_VERSION_NUMBER, value["version_number"])
    for name, (number, write) in _CONTENTS.items():
        if given := value.get(name):
            written += write(number, given)
    return written


def _bytes(number: int, text: str) -> bytes:
    return length_field(number, b64decode(text))


def _all_bytes(number: int, texts: list[str]) -> bytes:
    return b"".join(_bytes(number, each) for each in texts)


def _numbers(number: int, values: list[Any]) -> bytes:
    return length_field(number, b"".join(varint(int(each)) for each in values))


def _floats(number: int, values: list[Any]) -> bytes:
    return length_field(number, struct.pack(f"<{len(values)}f", *map(float, values)))


def _doubles(number: int, values: list[Any]) -> bytes:
    return length_field(number, struct.pack(f"<{len(values)}d", *map(float, values)))


_CONTENTS: dict[str, tuple[int, Callable[[int, Any], bytes]]] = {
    "tensor_content": (4, _bytes),
    "float_val": (5, _floats),
    "double_val": (6, _doubles),
    "int_val": (7, _numbers),
    "string_val": (8, _all_bytes),
    "scomplex_val": (9, _floats),
    "int64_val": (10, _numbers),
    "bool_val": (11, _numbers),
    "dcomplex_val": (12, _doubles),
    "half_val": (13, _numbers),
    "uint32_val": (16, _numbers),
    "uint64_val": (17, _numbers),
    "float8_val": (18, _bytes),
}
"""How the fields with values are written. Handles and variants cannot be defaults."""
