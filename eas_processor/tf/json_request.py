"""
A request in JSON: which inputs it names, and the values it gives for each.

It is the predict request that TensorFlow Serving's page "RESTful API" describes, with an
`output_filter` beside. `inputs` holds whole tensors by input name, `instances` a list of rows; both
take values without a name where the signature has one input.
"""

import json
import math
from typing import Any, Dict, List, Optional

from eas_processor.tf.errors import BadRequest
from eas_processor.tf.resolving import describe_inputs
from eas_processor.tf.signatures import Signature, list_names

_EXPECTED = 'expected {"inputs": {name: values}} or {"instances": [row, ...]}'

# The longest int64. Python 3.6 takes quadratic time for an integer of any length.
_LONGEST_INTEGER = len("-9223372036854775808")


class JsonRequest:
    """
    A parsed request; `by_rows` tells `instances` from `inputs`.

    Raises `BadRequest` when the body, of UTF-8 text, is not one.
    """

    __slots__ = ("_document", "by_rows", "output_filter", "signature_name")

    def __init__(self, body: Any) -> None:
        document = _parse(body)
        if not isinstance(document, dict):
            raise BadRequest(f"the JSON request is {show(document)}: {_EXPECTED}")
        self.signature_name: str = document.get("signature_name", "")
        if not isinstance(self.signature_name, str):
            raise BadRequest(f"'signature_name': expected text, got {show(self.signature_name)}")
        self.output_filter: List[str] = document.get("output_filter", [])
        if not _is_names(self.output_filter):
            raise BadRequest(
                f"'output_filter': expected a list of names, got {show(self.output_filter)}"
            )
        self.by_rows = "instances" in document
        self._document = document

    def columns(self, signature: Optional[Signature]) -> Dict[str, Any]:
        """Return the nested lists for each input; `signature` is None for a frozen graph."""
        if self.by_rows and "inputs" in self._document:
            raise BadRequest("the JSON request has both 'inputs' and 'instances': send one of them")
        if self.by_rows:
            return _columns_of_rows(self._document["instances"], signature)
        if "inputs" not in self._document:
            raise BadRequest(
                f"the JSON request has neither 'inputs' nor 'instances': {_EXPECTED}; "
                f"{describe_inputs(signature)}"
            )
        inputs = self._document["inputs"]
        return inputs if _is_by_name(inputs) else {_sole_input("inputs", signature): inputs}


def is_base64(value: Any) -> bool:
    """Tell whether `value` is an object that stands for bytes: `{"b64": "..."}`."""
    return isinstance(value, dict) and list(value) == ["b64"] and isinstance(value["b64"], str)


def show(value: Any) -> str:
    """Return a JSON value as messages show it."""
    if isinstance(value, list):
        return f"a list of {len(value)}"
    return "an object" if isinstance(value, dict) else json.dumps(value)[:80]


def _parse(body: Any) -> Any:
    try:
        # Some editors begin a file with a byte order mark.
        text = str(body, "utf-8-sig")
        return json.loads(text, parse_int=_read_integer, parse_float=_read_float)
    except UnicodeDecodeError as error:
        raise BadRequest(f"the body is not JSON: byte {error.start} is not UTF-8") from None
    except json.JSONDecodeError as error:
        error = _as_every_python(error)
        where = f"line {error.lineno} column {error.colno}"
        raise BadRequest(f"the body is not JSON: {where}: {error.msg}") from None
    except RecursionError:
        raise BadRequest("the JSON request is nested too deeply") from None


def _as_every_python(error: json.JSONDecodeError) -> json.JSONDecodeError:
    """Return an error that reads the same whichever Python the build has."""
    if not error.msg.startswith("Illegal trailing comma"):
        return error
    # Python 3.13 points at the comma, older ones at what follows it.
    after = error.pos + 1
    after += len(error.doc[after:]) - len(error.doc[after:].lstrip(" \t\n\r"))
    in_list = error.doc[after] == "]"
    expected = "value" if in_list else "property name enclosed in double quotes"
    return json.JSONDecodeError(f"Expecting {expected}", error.doc, after)


def _read_integer(digits: str) -> Any:
    return int(digits) if len(digits) <= _LONGEST_INTEGER else _read_float(digits)


def _read_float(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        raise BadRequest(f"the number {digits[:80]} is too large for any dtype")
    return value


def _is_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _is_by_name(value: Any) -> bool:
    return isinstance(value, dict) and not is_base64(value)


def _sole_input(key: str, signature: Optional[Signature]) -> str:
    if signature is None or len(signature.inputs) != 1:
        raise BadRequest(
            f"'{key}': values without a name are for a signature with one input; "
            f"{describe_inputs(signature)}"
        )
    return next(iter(signature.inputs))


def _columns_of_rows(rows: Any, signature: Optional[Signature]) -> Dict[str, Any]:
    if not isinstance(rows, list) or not rows:
        raise BadRequest(f"'instances': expected a list of one row or more, got {show(rows)}")
    if not _is_by_name(rows[0]):
        return {_sole_input("instances", signature): rows}
    for index, row in enumerate(rows):
        if not isinstance(row, dict) or row.keys() != rows[0].keys():
            got = list_names(row) if isinstance(row, dict) else show(row)
            raise BadRequest(
                f"'instances' at [{index}]: expected an object with the inputs of the first row, "
                f"{list_names(rows[0])}, got {got}"
            )
    return {name: [row[name] for row in rows] for name in rows[0]}
