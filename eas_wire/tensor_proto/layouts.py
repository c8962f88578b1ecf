"""The fields of a `TensorProto`, and how each dtype is sent in them."""

from typing import Any, Dict, NamedTuple

import numpy as np

from eas_wire import dtypes
from eas_wire.fields import FIXED32, FIXED64, LENGTH, VARINT, tag_of

DT_UINT32 = 22
DT_UINT64 = 23

FLOAT_VAL = 5
DOUBLE_VAL = 6
INT_VAL = 7
STRING_VAL = 8
SCOMPLEX_VAL = 9
INT64_VAL = 10
BOOL_VAL = 11
DCOMPLEX_VAL = 12
HALF_VAL = 13
UINT32_VAL = 16
UINT64_VAL = 17

VALUE_FIELDS: Dict[int, str] = {
    FLOAT_VAL: "float_val",
    DOUBLE_VAL: "double_val",
    INT_VAL: "int_val",
    STRING_VAL: "string_val",
    SCOMPLEX_VAL: "scomplex_val",
    INT64_VAL: "int64_val",
    BOOL_VAL: "bool_val",
    DCOMPLEX_VAL: "dcomplex_val",
    HALF_VAL: "half_val",
    UINT32_VAL: "uint32_val",
    UINT64_VAL: "uint64_val",
}

DTYPE = tag_of(1, VARINT)
SHAPE = tag_of(2, LENGTH)
CONTENT = tag_of(4, LENGTH)
STRING = tag_of(STRING_VAL, LENGTH)

# The bytes of one number in the fields whose wire type has a fixed size.
FIXED_SIZES = {FLOAT_VAL: 4, DOUBLE_VAL: 8, SCOMPLEX_VAL: 4, DCOMPLEX_VAL: 8}
_WIRE_TYPES = {field: FIXED32 if size == 4 else FIXED64 for field, size in FIXED_SIZES.items()}

NUMBERS: Dict[int, int] = {}
"""Field numbers by tag, for packed numbers and for numbers that are one field each."""
for _field in VALUE_FIELDS:
    if _field != STRING_VAL:
        NUMBERS[tag_of(_field, LENGTH)] = _field
        NUMBERS[tag_of(_field, _WIRE_TYPES.get(_field, VARINT))] = _field


class Layout(NamedTuple):
    """
    How the values of one dtype are sent and stored.

    `field` is the number of their typed field, `raw` the numpy dtype of their items in
    `tensor_content`, and `storage` the dtype of the array in a `Tensor`.
    """

    field: int
    storage: "np.dtype[Any]"
    raw: "np.dtype[Any]"

    @property
    def is_fixed(self) -> bool:
        """Whether all values take the same number of bytes in the typed field."""
        return self.field in FIXED_SIZES or self.field == BOOL_VAL


def _layout(field: int, storage: str, raw: str = "") -> Layout:
    return Layout(field, np.dtype(storage), np.dtype(raw or storage))


LAYOUTS: Dict[int, Layout] = {
    dtypes.DT_FLOAT: _layout(FLOAT_VAL, "<f4"),
    dtypes.DT_DOUBLE: _layout(DOUBLE_VAL, "<f8"),
    dtypes.DT_INT32: _layout(INT_VAL, "<i4"),
    dtypes.DT_UINT8: _layout(INT_VAL, "u1"),
    dtypes.DT_INT16: _layout(INT_VAL, "<i2"),
    dtypes.DT_INT8: _layout(INT_VAL, "i1"),
    dtypes.DT_STRING: _layout(STRING_VAL, "O"),
    dtypes.DT_COMPLEX64: _layout(SCOMPLEX_VAL, "<c8"),
    dtypes.DT_INT64: _layout(INT64_VAL, "<i8"),
    dtypes.DT_BOOL: _layout(BOOL_VAL, "?", "u1"),
    dtypes.DT_QINT8: _layout(INT_VAL, "i1"),
    dtypes.DT_QUINT8: _layout(INT_VAL, "u1"),
    dtypes.DT_QINT32: _layout(INT_VAL, "<i4"),
    dtypes.DT_BFLOAT16: _layout(HALF_VAL, "<f4", "<u2"),  # stored as float32: numpy has no bfloat16
    dtypes.DT_QINT16: _layout(INT_VAL, "<i2"),
    dtypes.DT_QUINT16: _layout(INT_VAL, "<u2"),
    dtypes.DT_UINT16: _layout(INT_VAL, "<u2"),
    dtypes.DT_COMPLEX128: _layout(DCOMPLEX_VAL, "<c16"),
    dtypes.DT_HALF: _layout(HALF_VAL, "<f2"),
    DT_UINT32: _layout(UINT32_VAL, "<u4"),
    DT_UINT64: _layout(UINT64_VAL, "<u8"),
}
"""The layouts of the dtypes whose values a `TensorProto` can hold."""


def dtype_name(dtype: int) -> str:
    """Return the name of a dtype, such as `DT_FLOAT`."""
    return {DT_UINT32: "DT_UINT32", DT_UINT64: "DT_UINT64"}.get(dtype) or dtypes.dtype_name(dtype)
