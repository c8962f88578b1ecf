"""
Encode the tensors of an answer as JSON.

A single output has no name in the answer, as TensorFlow Serving's page "RESTful API" defines it.
Large tensors are encoded in slices. Other threads can run between slices, and only one slice exists
as Python objects.
"""

import base64
import json
from typing import Any, Dict, Iterator, List

import numpy as np

import eas_wire as wire
from eas_processor.codecs.eas_json.text import write_numbers
from eas_processor.codecs.eas_json.turns import SLICE, Pauses
from eas_processor.codecs.errors import CodecError
from eas_wire import dtype_name
from eas_wire.tensors import share
from eas_wire.text import cut


def write_columns(outputs: Dict[str, wire.Tensor], nan: str = "") -> bytes:
    """Encode the answer to `inputs`: a nested list per output. `nan` is as in `write_numbers`."""
    if len(outputs) == 1:
        return b"".join([b'{"outputs": ', *_write(*next(iter(outputs.items())), nan), b"}"])
    parts: List[bytes] = []
    for name, tensor in outputs.items():
        parts += [b", " if parts else b'{"outputs": {', _key(name), *_write(name, tensor, nan)]
    return b"".join([*parts, b"}}"])


def write_rows(outputs: Dict[str, wire.Tensor], nan: str = "") -> bytes:
    """
    Encode the answer to `instances`: one element for each row of the outputs.

    Raises CodecError if the outputs do not have the same first dimension.
    """
    shapes = {name: tensor.array.shape for name, tensor in outputs.items()}
    if () in shapes.values() or len({shape[0] for shape in shapes.values()}) > 1:
        got = ", ".join(f"'{cut(name)}' {list(shape)}" for name, shape in shapes.items())
        raise CodecError(
            "'instances' needs outputs with the same number of rows, got the shapes "
            f"{got}: send 'inputs' instead, or choose other outputs by output_filter"
        )
    if len(outputs) == 1:
        return b"".join([b'{"predictions": ', *_write(*next(iter(outputs.items())), nan), b"}"])
    keys = [_key(name) for name in outputs]
    columns = [_write_each(name, tensor, nan) for name, tensor in outputs.items()]
    rows = [
        b"{%s}" % b", ".join([key + value for key, value in zip(keys, values)])
        for values in zip(*columns)
    ]
    return b'{"predictions": [%s]}' % b", ".join(rows)


def columns_of_shares(outputs: Dict[str, wire.Tensor], count: int, nan: str = "") -> List[bytes]:
    """Encode `count` answers as `write_columns` does, which share the rows equally."""
    if not _is_cut_as_text(outputs):
        return [write_columns(share(outputs, count, each), nan) for each in range(count)]
    columns = [
        [b"[%s]" % text for text in _texts_of_shares(tensor, count, nan)]
        for tensor in outputs.values()
    ]
    if len(columns) == 1:
        return [b'{"outputs": %s}' % text for text in columns[0]]
    keys = [_key(name) for name in outputs]
    return [
        b'{"outputs": {%s}}' % b", ".join([key + text for key, text in zip(keys, texts)])
        for texts in zip(*columns)
    ]


def rows_of_shares(outputs: Dict[str, wire.Tensor], count: int, nan: str = "") -> List[bytes]:
    """Encode `count` answers as `write_rows` does, which share the rows equally."""
    if not _is_cut_as_text(outputs) or len(outputs) > 1:
        return [write_rows(share(outputs, count, each), nan) for each in range(count)]
    (tensor,) = outputs.values()
    return [b'{"predictions": [%s]}' % text for text in _texts_of_shares(tensor, count, nan)]


def _is_cut_as_text(outputs: Dict[str, wire.Tensor]) -> bool:
    """Return whether all outputs are rows of numbers, and small enough for one slice."""
    return all(
        0 < tensor.array.size <= SLICE and tensor.array.ndim and tensor.array.dtype.kind in "fiub"
        for tensor in outputs.values()
    )


def _texts_of_shares(tensor: wire.Tensor, count: int, nan: str) -> List[bytes]:
    """Encode all rows at once, and cut the text into the rows of each share."""
    depth = tensor.array.ndim - 1
    text = write_numbers(tensor.array, nan)[1:-1]
    # This text separates rows. Within a row, numbers have fewer brackets between them.
    border = b"]" * depth + b", " + b"[" * depth
    if depth:
        text = text[depth:-depth]
    rows = len(tensor.array) // count
    each_row = [b"[" * depth + row + b"]" * depth for row in text.split(border)]
    if rows == 1:
        return each_row
    return [b", ".join(each_row[at * rows : (at + 1) * rows]) for at in range(count)]


def _key(name: str) -> bytes:
    return json.dumps(name, ensure_ascii=False).encode("utf-8") + b": "


def _write(name: str, tensor: wire.Tensor, nan: str) -> Iterator[bytes]:
    """Yield the text of a tensor in parts."""
    _refuse_complex(name, tensor)
    return _write_array(tensor.array, name.endswith("_bytes"), Pauses(), nan)


def _write_each(name: str, tensor: wire.Tensor, nan: str) -> Iterator[bytes]:
    """Yield the text of each row of a tensor."""
    _refuse_complex(name, tensor)
    array, as_base64, pause = tensor.array, name.endswith("_bytes"), Pauses()
    if array.ndim > 1:
        return (b"".join(_write_array(row, as_base64, pause, nan)) for row in array)
    if array.dtype.kind == "O":
        return (_write_strings(array[i : i + 1], as_base64)[1:-1] for i in range(array.size))
    parts = (array[start : start + SLICE] for start in range(0, array.size, SLICE))
    return (number for part in parts for number in write_numbers(part, nan)[1:-1].split(b", "))


def _write_array(
    array: "np.ndarray[Any, Any]", as_base64: bool, pause: Pauses, nan: str
) -> Iterator[bytes]:
    pause()
    if array.size <= SLICE:
        if array.dtype.kind == "O":
            yield _write_strings(array, as_base64)
        else:
            yield write_numbers(array, nan)
        return
    rows = max(1, SLICE // (array.size // len(array)))
    yield b"["
    for start in range(0, len(array), rows):
        if start:
            yield b", "
        if rows > 1:
            (text,) = _write_array(array[start : start + rows], as_base64, pause, nan)
            yield text[1:-1]
        else:
            yield from _write_array(array[start], as_base64, pause, nan)
    yield b"]"


def refuse_not_finite(outputs: Dict[str, wire.Tensor]) -> None:
    """Raise CodecError if an output has a NaN or an infinity."""
    for name, tensor in outputs.items():
        if tensor.array.dtype.kind == "f" and not np.isfinite(tensor.array).all():
            raise CodecError(
                f"output '{cut(name)}' has values that are not finite, which JSON cannot represent "
                "(model_config.json_nan is 'error'): choose other outputs by output_filter, or "
                "send a PredictRequest as application/octet-stream"
            )


def _refuse_complex(name: str, tensor: wire.Tensor) -> None:
    if tensor.array.dtype.kind == "c":
        raise CodecError(
            f"output '{cut(name)}' is {dtype_name(tensor.dtype)}, which JSON cannot represent: "
            "choose other outputs by output_filter, or send a PredictRequest as "
            "application/octet-stream"
        )


def _write_strings(array: "np.ndarray[Any, Any]", as_base64: bool) -> bytes:
    strings = np.empty(array.size, object)
    strings[:] = [_string_to_json(each, as_base64) for each in array.ravel().tolist()]
    lists = strings.reshape(array.shape).tolist()
    return json.dumps(lists, ensure_ascii=False).encode("utf-8")


def _string_to_json(value: bytes, as_base64: bool) -> Any:
    if not as_base64:
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            pass  # TensorFlow Serving writes the raw bytes here, which is not valid JSON.
    return {"b64": base64.b64encode(value).decode("ascii")}
