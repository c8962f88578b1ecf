"""Dtype numbers of `ArrayDataType`, with the numpy storage and the wire field of each."""

from typing import Any, Dict, NamedTuple

import numpy as np

from eas_wire.errors import UnsupportedDtype
from eas_wire.text import cut

DT_INVALID = 0
DT_FLOAT = 1
DT_DOUBLE = 2
DT_INT32 = 3
DT_UINT8 = 4
DT_INT16 = 5
DT_INT8 = 6
DT_STRING = 7
DT_COMPLEX64 = 8
DT_INT64 = 9
DT_BOOL = 10
DT_QINT8 = 11
DT_QUINT8 = 12
DT_QINT32 = 13
DT_BFLOAT16 = 14
DT_QINT16 = 15
DT_QUINT16 = 16
DT_UINT16 = 17
DT_COMPLEX128 = 18
DT_HALF = 19
DT_RESOURCE = 20
DT_VARIANT = 21

NUMBERS: Dict[str, int] = {
    name: value for name, value in list(globals().items()) if name.startswith("DT_")
}
NAMES: Dict[int, str] = {number: name for name, number in NUMBERS.items()}

# Field numbers of `ArrayProto`.
FLOAT_VAL = 3
DOUBLE_VAL = 4
INT_VAL = 5
STRING_VAL = 6
INT64_VAL = 7
BOOL_VAL = 8

VALUE_FIELDS: Dict[int, str] = {
    FLOAT_VAL: "float_val",
    DOUBLE_VAL: "double_val",
    INT_VAL: "int_val",
    STRING_VAL: "string_val",
    INT64_VAL: "int64_val",
    BOOL_VAL: "bool_val",
}


class Layout(NamedTuple):
    """
    How the values of one dtype are sent and stored.

    `field` is the number of their field in `ArrayProto`. `storage` is the dtype of their numpy
    array. For fields of floats, `packed` is the numpy dtype of the bytes in the field.
    """

    name: str
    field: int
    storage: "np.dtype[Any]"
    packed: "np.dtype[Any]"


_STORAGE = {
    FLOAT_VAL: {
        DT_FLOAT: "<f4",
        DT_HALF: "<f2",
        DT_BFLOAT16: "<f4",  # numpy has no bfloat16, and float32 represents each of its values
        DT_COMPLEX64: "<c8",
    },
    DOUBLE_VAL: {DT_DOUBLE: "<f8", DT_COMPLEX128: "<c16"},
    INT_VAL: {
        DT_INT32: "<i4",
        DT_INT16: "<i2",
        DT_INT8: "i1",
        DT_UINT16: "<u2",
        DT_UINT8: "u1",
        DT_QINT32: "<i4",
        DT_QINT16: "<i2",
        DT_QINT8: "i1",
        DT_QUINT16: "<u2",
        DT_QUINT8: "u1",
    },
    STRING_VAL: {DT_STRING: "O"},
    INT64_VAL: {DT_INT64: "<i8"},
    BOOL_VAL: {DT_BOOL: "?"},
}

LAYOUTS: Dict[int, Layout] = {
    number: Layout(NAMES[number], field, np.dtype(storage), np.dtype(storage))
    for field, dtypes in _STORAGE.items()
    for number, storage in dtypes.items()
}

LAYOUTS[DT_HALF] = LAYOUTS[DT_HALF]._replace(packed=np.dtype("<f4"))


def dtype_name(number: int) -> str:
    """Return the name of a dtype number, such as `DT_FLOAT`, or `dtype 99` for an unknown one."""
    return NAMES.get(number) or f"dtype {number}"


def dtype_number(name: str) -> int:
    """
    Return the number of a dtype name, such as 1 for `DT_FLOAT`.

    Raises UnsupportedDtype for an unknown name.
    """
    try:
        return NUMBERS[name]
    except KeyError:
        raise UnsupportedDtype(f"unknown dtype {cut(name)!r}: expected one of {_known()}") from None


def storage_dtype(number: int) -> "np.dtype[Any]":
    """
    Return the numpy dtype of arrays that hold this dtype.

    Raises UnsupportedDtype for a dtype that has no values on the wire.
    """
    return layout_of(number).storage


def layout_of(number: int) -> Layout:
    """Return the layout of a dtype. Raises UnsupportedDtype if it has no values on the wire."""
    layout = LAYOUTS.get(number)
    if layout is not None:
        return layout
    if number == DT_INVALID:
        raise UnsupportedDtype(f"no dtype is set: expected one of {_known()}")
    raise UnsupportedDtype(
        f"{dtype_name(number)} has no values on the wire: expected one of {_known()}"
    )


def _known() -> str:
    return ", ".join(NAMES[number] for number in sorted(LAYOUTS))
