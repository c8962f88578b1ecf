"""
The errors of these codecs, with TensorFlow Serving's messages where clients match them.

    CodecError       INVALID_ARGUMENT  the body does not match the signature
    └── NoSuchType   UNIMPLEMENTED     JSON cannot represent values of this dtype
"""

import json
from typing import Any

import eas_wire as wire
from eas_processor.codecs.errors import CodecError

_SHOWN = 256

_TYPE_NAMES = {
    wire.DT_FLOAT: "float",
    wire.DT_DOUBLE: "double",
    wire.DT_INT32: "int32",
    wire.DT_UINT8: "uint8",
    wire.DT_INT16: "int16",
    wire.DT_INT8: "int8",
    wire.DT_STRING: "string",
    wire.DT_COMPLEX64: "complex64",
    wire.DT_COMPLEX128: "complex128",
    wire.DT_INT64: "int64",
    wire.DT_BOOL: "bool",
    wire.DT_BFLOAT16: "bfloat16",
    wire.DT_UINT16: "uint16",
    wire.DT_HALF: "half",
}


class NoSuchType(CodecError):
    """JSON cannot represent values of this dtype."""

    code = "UNIMPLEMENTED"


def type_name(dtype: int) -> str:
    """Return TensorFlow's name of a dtype, such as `float`."""
    return _TYPE_NAMES.get(dtype) or wire.dtype_name(dtype)[len("DT_") :].lower()


def shown(value: Any) -> str:
    """Return a value as JSON text, cut if it is long."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."


def kind_of(value: Any) -> str:
    """Return rapidjson's name for the type of a value."""
    if value is None:
        return "Null"
    if isinstance(value, bool):
        return "True" if value else "False"
    for kind, name in ((dict, "Object"), (list, "Array"), (str, "String")):
        if isinstance(value, kind):
            return name
    return "Number"


def type_error(value: Any, dtype: int) -> CodecError:
    """Return the error for a value that does not have the dtype."""
    return CodecError(
        "JSON Value: %s Type: %s is not of expected type: %s"
        % (shown(value), kind_of(value), type_name(dtype))
    )
