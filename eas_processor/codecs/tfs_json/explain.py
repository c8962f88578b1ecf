"""
Check refused values one by one, as TensorFlow Serving does, and raise its message.

`eas_json.inputs` reads values fast and strictly. Values that it refuses are checked here. Numbers
that are too large for a narrow dtype are accepted, because TensorFlow Serving accepts them.
"""

from typing import Any, List, Optional, Sequence, Tuple

import numpy as np

import eas_wire as wire
from eas_processor.codecs.codec import Spec
from eas_processor.codecs.eas_json.request import is_base64
from eas_processor.codecs.errors import CodecError
from eas_processor.codecs.tfs_json.errors import NoSuchType, shown, type_error, type_name

_INTEGERS = {
    wire.DT_INT32: (-(2**31), 2**31 - 1),
    wire.DT_INT16: (-(2**31), 2**31 - 1),
    wire.DT_INT8: (-(2**31), 2**31 - 1),
    wire.DT_UINT8: (-(2**31), 2**31 - 1),
    wire.DT_INT64: (-(2**63), 2**63 - 1),
}
_FLOATS = (wire.DT_FLOAT, wire.DT_DOUBLE)
TAKEN = frozenset([*_INTEGERS, *_FLOATS, wire.DT_STRING, wire.DT_BOOL])
"""The dtypes whose values JSON can represent."""

_Shape = Tuple[int, ...]


def read_or_explain(spec: Spec, value: Any, by_rows: bool, refusal: CodecError) -> wire.Tensor:
    """
    Return the values as a tensor if TensorFlow Serving accepts them.

    Otherwise raises TensorFlow Serving's error, or `refusal` if that finds no fault.
    """
    if spec.dtype not in TAKEN:
        raise NoSuchType(
            "Conversion of JSON Value: %s to type: %s"
            % (shown(_first(value)), type_name(spec.dtype))
        )
    if by_rows:
        flat, shape = _rows(spec, value)
    else:
        shape = _shape_of_first(value)
        flat = []
        _collect(spec, value, shape, 0, flat)
    if spec.dtype in (wire.DT_STRING, wire.DT_BOOL):
        raise refusal  # The faults of these dtypes that TensorFlow Serving finds were raised above.
    with np.errstate(over="ignore"):
        wide = np.float64 if spec.dtype in _FLOATS else np.int64
        array = np.array(flat, wide).astype(wire.storage_dtype(spec.dtype))
    return wire.Tensor(spec.dtype, array.reshape(shape))


def _rows(spec: Spec, rows: List[Any]) -> Tuple[List[Any], _Shape]:
    flat: List[Any] = []
    shape: Optional[_Shape] = None
    size = 0
    for index, row in enumerate(rows):
        before = len(flat)
        try:
            own = _shape_of_first(row)
            _collect(spec, row, own, 0, flat)
            if shape is None:
                shape, size = own, len(flat)
            elif len(flat) - before != size:
                raise CodecError(
                    "Expecting tensor size: %d but got: %d" % (size, len(flat) - before)
                )
            elif own != shape:
                raise CodecError("Expecting shape %s but got: %s" % (_listed(shape), _listed(own)))
        except NoSuchType:
            raise
        except CodecError as error:
            raise CodecError(
                "Failed to process element: %d key: %s of 'instances' list. Error: %s"
                % (index, spec.name, error)
            ) from None
    return flat, (len(rows),) + (shape or ())


def _shape_of_first(value: Any) -> _Shape:
    shape: List[int] = []
    while isinstance(value, list):
        shape.append(len(value))
        if not value:
            break
        value = value[0]
    return tuple(shape)


def _collect(spec: Spec, value: Any, shape: _Shape, level: int, flat: List[Any]) -> None:
    if level == len(shape):
        if isinstance(value, list):
            raise CodecError(
                "Encountered list at unexpected level: %d expected < %d" % (level, len(shape))
            )
        flat.append(_checked(spec, value))
        return
    if not isinstance(value, list):
        raise CodecError(
            "JSON Value: %s found at incorrect level: %d, expected at: %d"
            % (shown(value), level, len(shape))
        )
    if len(value) != shape[level]:
        raise CodecError(
            "Encountered list at unexpected size: %d at level: %d expected size: %d"
            % (len(value), level, shape[level])
        )
    for each in value:
        _collect(spec, each, shape, level + 1, flat)


def _checked(spec: Spec, value: Any) -> Any:
    """Return the value if it has the dtype of `spec`. Raises CodecError."""
    dtype, kind = spec.dtype, type(value)
    if dtype in _FLOATS:
        if kind in (int, float):
            return float(value)
    elif dtype == wire.DT_BOOL:
        if kind is bool:
            return value
    elif dtype == wire.DT_STRING:
        if kind is str:
            return value
        if is_base64(value):
            return _decoded(value["b64"])
    elif kind is int:
        low, high = _INTEGERS[dtype]
        if low <= value <= high:
            return value
    raise type_error(value, dtype)


def _decoded(text: str) -> str:
    from eas_processor.codecs.eas_json.inputs import from_base64

    try:
        from_base64(text)
    except ValueError:
        raise CodecError("Unable to base64 decode") from None
    return text


def _first(value: Any) -> Any:
    while isinstance(value, list) and value:
        value = value[0]
    return value


def _listed(shape: Sequence[int]) -> str:
    return "[%s]" % ",".join(map(str, shape))
