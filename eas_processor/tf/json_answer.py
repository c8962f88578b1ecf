"""
From the tensors of an answer to JSON.

As in TensorFlow Serving's page "RESTful API", the only output stands there without its name.
"""

import base64
import json
from typing import Any, Dict

import numpy as np

from eas_processor import wire
from eas_processor.tf.errors import BadRequest
from eas_processor.tf.signatures import dtype_name


def write_columns(outputs: Dict[str, wire.Tensor]) -> bytes:
    """Return the answer to `inputs`: whole tensors."""
    columns = {name: _to_lists(name, tensor) for name, tensor in outputs.items()}
    return _write("outputs", columns if len(columns) > 1 else next(iter(columns.values())))


def write_rows(outputs: Dict[str, wire.Tensor]) -> bytes:
    """Return the answer to `instances`: one element for each index of the first dimension."""
    shapes = {name: tensor.array.shape for name, tensor in outputs.items()}
    if () in shapes.values() or len({shape[0] for shape in shapes.values()}) > 1:
        got = ", ".join(f"'{name}' {list(shape)}" for name, shape in shapes.items())
        raise BadRequest(
            "'instances' needs outputs with one element for each row, and these have the shapes "
            f"{got}: send 'inputs' instead, or name others in output_filter"
        )
    columns = {name: _to_lists(name, tensor) for name, tensor in outputs.items()}
    if len(columns) == 1:
        return _write("predictions", next(iter(columns.values())))
    rows = [dict(zip(columns, values)) for values in zip(*columns.values())]
    return _write("predictions", rows)


def _write(key: str, value: Any) -> bytes:
    return json.dumps({key: value}, ensure_ascii=False).encode("utf-8")


def _to_lists(name: str, tensor: wire.Tensor) -> Any:
    array = tensor.array
    kind = array.dtype.kind
    if kind == "c":
        raise BadRequest(
            f"output '{name}' is {dtype_name(tensor.dtype)}, which JSON cannot carry: name others "
            "in output_filter, or send a PredictRequest as application/octet-stream"
        )
    if kind == "O":
        return _strings_to_lists(array, name.endswith("_bytes"))
    if kind == "f" and array.itemsize < 8:
        # By way of text, which has the fewest digits for the dtype: 0.1, not 0.10000000149011612.
        array = array.astype("S32").astype(np.float64)
    return array.tolist()


def _strings_to_lists(array: "np.ndarray[Any, Any]", as_base64: bool) -> Any:
    strings = np.empty(array.size, object)
    strings[:] = [_string_to_json(each, as_base64) for each in array.ravel().tolist()]
    return strings.reshape(array.shape).tolist()


def _string_to_json(value: bytes, as_base64: bool) -> Any:
    if not as_base64:
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            pass  # TensorFlow Serving writes such bytes as they are, which is not JSON.
    return {"b64": base64.b64encode(value).decode("ascii")}
