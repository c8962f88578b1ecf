"""
A request in JSON: which inputs it names, and the values it gives for each.

It is the predict request that TensorFlow Serving's page "RESTful API" describes, with an
`output_filter` beside. `inputs` holds whole tensors by input name, `instances` a list of rows; both
take values without a name where the signature has one input.
"""

import json
from typing import Any, Dict, List, Optional, Sequence

import numpy as np

from eas_processor.codecs.codec import Target
from eas_processor.codecs.eas_json.limits import check_depth
from eas_processor.codecs.eas_json.pieces import PIECE, PieceReader
from eas_processor.codecs.eas_json.text import NotJson, begin_of, loads, refusal
from eas_processor.codecs.errors import CodecError
from eas_processor.codecs.mistaken import hint_for_json
from eas_wire.text import LIMIT, cut, list_names

_EXPECTED = 'expected {"inputs": {name: values}} or {"instances": [row, ...]}'


class Body:
    """
    The bytes of a request, of any kind of buffer; `is_large` says that it is read in pieces.

    After `read`, `has_words` tells whether there may be a `true` or a `false` among the values, and
    `discard` gives the memory of the values back, in pieces too.
    """

    __slots__ = ("_body", "_reader", "has_words", "is_large")

    def __init__(self, body: Any) -> None:
        self._body = body
        self._reader: Optional[PieceReader] = None
        self.has_words = True
        self.is_large = len(body) > PIECE

    def read(self, exact: bool) -> Any:
        """Return the value; `exact` as in `loads`. Raises `CodecError` for what is not JSON."""
        begin = begin_of(self._body)
        try:
            if self.is_large:
                return self._read_pieces(np.frombuffer(self._body, np.uint8)[begin:], exact)
            text = bytes(self._body[begin:])  # no copy, where it is all of the bytes
            check_depth(text)
            self.has_words = _has_words(text)
            return loads(text, exact)
        except NotJson as error:
            # A new one: a frame and the error that it holds would keep each other, and the values.
            fault = NotJson(error.message, error.offset)
        said = refusal(np.frombuffer(self._body, np.uint8)[begin:], fault)
        hint = hint_for_json(self._body)
        raise CodecError(f"{said}; {hint}") if hint else said

    def text(self) -> bytes:
        """Return the text, without a byte order mark."""
        return bytes(self._body[begin_of(self._body) :])

    def _read_pieces(self, text: "np.ndarray[Any, Any]", exact: bool) -> Any:
        pieces = (text[start : start + PIECE + 4].data for start in range(0, text.size, PIECE))
        self.has_words = any(_has_words(bytes(piece)) for piece in pieces)
        self._reader = PieceReader(text, exact)
        return self._reader.read()

    def discard(self) -> None:
        """Give back the memory of the values, of which the caller keeps none."""
        if self._reader is not None:
            self._reader.discard()
            self._reader = None


class JsonRequest:
    """
    A parsed request; `by_rows` tells `instances` from `inputs`.

    `exact` is that of `json_text.loads`. Raises `CodecError` when the body, of UTF-8 text, is not
    a request.
    """

    __slots__ = ("_document", "by_rows", "has_words", "output_filter", "signature_name")

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
        self.has_words = body.has_words
        self._document = document

    def columns(self, target: Target) -> Dict[str, Any]:
        """Return the nested lists for each input; `target` says what a value without name is."""
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
                f"'{key}': values without a name are for a signature with one input; "
                f"{target.describe_inputs(self.signature_name)}"
            )
        return known[0]


def _has_words(text: bytes) -> bool:
    # One character is found 30 times as quickly as a word, and most names have neither.
    return (b"l" in text and b"false" in text) or (b"r" in text and b"true" in text)


def is_base64(value: Any) -> bool:
    """Tell whether `value` is an object that stands for bytes: `{"b64": "..."}`."""
    return isinstance(value, dict) and list(value) == ["b64"] and isinstance(value["b64"], str)


def show(value: Any) -> str:
    """Return a JSON value as messages show it."""
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
