"""
Decode the structure of a JSON request: its signature, input names, and the values of each input.

The format is the predict request of TensorFlow Serving's page "RESTful API", with `output_filter`
in addition. `inputs` holds whole tensors by input name, and `instances` a list of rows. If the
signature has one input, its name may be omitted in both.
"""

import json
from typing import Any, Dict, List, Optional, Sequence

import numpy as np

from eas_processor.codecs.codec import Target
from eas_processor.codecs.eas_json.limits import check_depth
from eas_processor.codecs.eas_json.pieces import PIECE, PieceReader
from eas_processor.codecs.eas_json.text import NotJson, begin_of, loads, refusal
from eas_processor.codecs.encoding_hints import hint_for_json
from eas_processor.codecs.errors import CodecError
from eas_wire.text import LIMIT, cut, list_names

_EXPECTED = 'expected {"inputs": {name: values}} or {"instances": [row, ...]}'


class Body:
    """
    The body of a request, in any buffer.

    `is_large` tells whether the body is parsed in pieces, one body at a time. After `read`,
    `has_booleans` tells whether the values may include `true` or `false`, and `discard` frees the
    values of a large body piece by piece.
    """

    __slots__ = ("_body", "_reader", "has_booleans", "is_large")

    def __init__(self, body: Any) -> None:
        self._body = body
        self._reader: Optional[PieceReader] = None
        self.has_booleans = True
        self.is_large = len(body) > PIECE

    def read(self, exact: bool) -> Any:
        """Return the JSON value; `exact` is as in `loads`. Raises CodecError."""
        begin = begin_of(self._body)
        try:
            if self.is_large:
                return self._read_pieces(np.frombuffer(self._body, np.uint8)[begin:], exact)
            text = bytes(self._body[begin:])  # no copy if the body is `bytes` without a BOM
            check_depth(text)
            self.has_booleans = _has_booleans(text)
            return loads(text, exact)
        except NotJson as error:
            # A new exception: the old one and its frame refer to each other, and to the values.
            fault = NotJson(error.message, error.offset)
        said = refusal(np.frombuffer(self._body, np.uint8)[begin:], fault)
        hint = hint_for_json(self._body)
        raise CodecError(f"{said}; {hint}") if hint else said

    def text(self) -> bytes:
        """Return the text, without a byte order mark."""
        return bytes(self._body[begin_of(self._body) :])

    def _read_pieces(self, text: "np.ndarray[Any, Any]", exact: bool) -> Any:
        pieces = (text[start : start + PIECE + 4].data for start in range(0, text.size, PIECE))
        self.has_booleans = any(_has_booleans(bytes(piece)) for piece in pieces)
        self._reader = PieceReader(text, exact)
        return self._reader.read()

    def discard(self) -> None:
        """Free the values. The caller must not keep references to them."""
        if self._reader is not None:
            self._reader.discard()
            self._reader = None


class JsonRequest:
    """
    A parsed request; `by_rows` is True for `instances`, False for `inputs`.

    `exact` is as in `text.loads`. Raises CodecError if the body is not a request.
    """

    __slots__ = ("_document", "by_rows", "has_booleans", "output_filter", "signature_name")

    def __init__(self, body: Body, exact: bool = False) -> None:
        document = body.read(exact)
        if not isinstance(document, dict):
            raise CodecError(f"the JSON request is {show(document)}: {_EXPECTED}")
        self.signature_name: str = document.get("signature_name", "")
        if not isinstance(self.signature_name, str):
            raise CodecError(f"'signature_name': expected text, got {show(self.signature_name)}")
        self.output_filter: List[str] = document.get("output_filter", [])
        if not _is_names(self.output_filter):
            raise CodecError(
                f"'output_filter': expected a list of names, got {show(self.output_filter)}"
            )
        self.by_rows = "instances" in document
        self.has_booleans = body.has_booleans
        self._document = document

    def columns(self, target: Target) -> Dict[str, Any]:
        """
        Return the nested lists of each input, by name.

        `target` tells the name of a signature's only input. Raises CodecError.
        """
        inputs: Any = self._document.get("inputs")
        if _is_by_name(inputs) and not self.by_rows:
            return dict(inputs)
        known = target.input_names(self.signature_name)
        if self.by_rows and "inputs" in self._document:
            raise CodecError("the JSON request has both 'inputs' and 'instances': send one of them")
        if self.by_rows:
            rows = self._document["instances"]
            if not isinstance(rows, list) or not rows:
                raise CodecError(
                    f"'instances': expected a list of one row or more, got {show(rows)}"
                )
            if _is_by_name(rows[0]):
                return _columns_of_rows(rows)
            return {self._sole_input("instances", known, target): rows}
        if "inputs" not in self._document:
            raise CodecError(
                f"the JSON request has neither 'inputs' nor 'instances': {_EXPECTED}; "
                f"{target.describe_inputs(self.signature_name)}"
            )
        return {self._sole_input("inputs", known, target): inputs}

    def _sole_input(self, key: str, known: Optional[Sequence[str]], target: Target) -> str:
        if known is None or len(known) != 1:
            raise CodecError(
                f"'{key}': values without a name need a signature with one input; "
                f"{target.describe_inputs(self.signature_name)}"
            )
        return known[0]


def _has_booleans(text: bytes) -> bool:
    # Searching for one character is 30 times as fast, and most bodies have neither.
    return (b"l" in text and b"false" in text) or (b"r" in text and b"true" in text)


def is_base64(value: Any) -> bool:
    """Return whether `value` is the object for bytes, `{"b64": "..."}`."""
    return isinstance(value, dict) and list(value) == ["b64"] and isinstance(value["b64"], str)


def show(value: Any) -> str:
    """Return a short description of a JSON value for messages."""
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if isinstance(value, dict):
        return "an object"
    return cut(json.dumps(value[:LIMIT] if isinstance(value, str) else value))


def _is_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _is_by_name(value: Any) -> bool:
    return isinstance(value, dict) and not ("b64" in value and is_base64(value))


def _columns_of_rows(rows: List[Any]) -> Dict[str, Any]:
    for index, row in enumerate(rows):
        if not isinstance(row, dict) or row.keys() != rows[0].keys():
            got = list_names(row) if isinstance(row, dict) else show(row)
            raise CodecError(
                f"'instances' at [{index}]: expected an object with the inputs of the first row, "
                f"{list_names(rows[0])}, got {got}"
            )
    return {name: [row[name] for row in rows] for name in rows[0]}
