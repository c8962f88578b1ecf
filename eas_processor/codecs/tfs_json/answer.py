"""Encode answers of `:predict`: rows in `predictions`, or whole tensors in `outputs`."""

from typing import Dict, List

import eas_wire as wire
from eas_processor.codecs.eas_json.answer import (
    columns_of_shares,
    rows_of_shares,
    write_columns,
    write_rows,
)
from eas_processor.codecs.errors import CodecError
from eas_processor.codecs.tfs_json.errors import type_name


def write(outputs: Dict[str, wire.Tensor], by_rows: bool) -> bytes:
    """Encode the answer to one request. Raises CodecError."""
    _check(outputs, by_rows)
    return write_rows(outputs) if by_rows else write_columns(outputs)


def write_shares(outputs: Dict[str, wire.Tensor], count: int, by_rows: bool) -> List[bytes]:
    """Encode `count` answers, which share the rows equally. Raises CodecError."""
    _check(outputs, by_rows)
    return (rows_of_shares if by_rows else columns_of_shares)(outputs, count)


def _check(outputs: Dict[str, wire.Tensor], by_rows: bool) -> None:
    rows = -1
    for name, tensor in outputs.items():
        array = tensor.array
        if array.dtype.kind == "c":
            raise CodecError(
                "Failed to write JSON value for tensor type: " + type_name(tensor.dtype)
            )
        if not by_rows:
            continue
        if not array.ndim:
            raise CodecError("Tensor name: %s has no shape information" % name)
        if rows >= 0 and len(array) != rows:
            raise CodecError(
                "Tensor name: %s has inconsistent batch size: %d expecting: %d"
                % (name, len(array), rows)
            )
        rows = len(array)
