"""Decode the structure of a `:predict` body: its signature, and the nested lists per input."""

import json
from typing import Any, Dict, List, Sequence

from eas_processor.codecs.codec import Target
from eas_processor.codecs.eas_json.request import Body, is_base64
from eas_processor.codecs.errors import CodecError
from eas_wire.text import quote

_DEFAULT = "serving_default"


class JsonObject:
    """The JSON object in a body, and the signature name in it. Raises CodecError."""

    __slots__ = ("document", "has_booleans", "signature_name")

    def __init__(self, body: Body, exact: bool) -> None:
        self.document = _read(body, exact)
        self.has_booleans = body.has_booleans
        if not isinstance(self.document, dict):
            raise CodecError("JSON Parse error: the body is not a JSON object, expected one")
        self.signature_name = self.document.get("signature_name", "")
        if not isinstance(self.signature_name, str):
            raise CodecError("'signature_name' key must be a string value.")


def _read(body: Body, exact: bool) -> Any:
    try:
        return body.read(exact)
    except CodecError as error:
        said = str(error)
    if "Extra data" in said and not body.is_large:
        # TensorFlow Serving ignores text after the value.
        text = str(body.text(), "utf-8").lstrip()
        return json.JSONDecoder().raw_decode(text)[0]
    raise CodecError("JSON Parse error: " + said)


def input_names(target: Target, asked: JsonObject) -> Sequence[str]:
    """Return the input names of the signature that a body names. Raises CodecError."""
    name = asked.signature_name
    try:
        names = target.input_names(name)
    except Exception as error:
        if not hasattr(error, "code"):
            raise
        raise CodecError(
            'Serving signature name: "%s" not found in signature def' % (name or _DEFAULT)
        ) from None
    if names is None:
        raise CodecError(
            'Serving signature name: "%s" not found in signature def: this graph has none'
            % (name or _DEFAULT)
        )
    if not names:
        raise CodecError("Failed to get input map for signature: " + (name or "DEFAULT"))
    return names


def columns_of(asked: JsonObject, names: Sequence[str]) -> Dict[str, Any]:
    """
    Return the nested lists of each input, from `instances` or `inputs`.

    `names` are the inputs of the signature. Raises CodecError.
    """
    document = asked.document
    if "instances" in document and "inputs" in document:
        raise CodecError(
            "Not formatted correctly expecting only one of 'instances' or 'inputs' keys to exist"
        )
    if "instances" in document:
        return _of_rows(document["instances"], names)
    if "inputs" in document:
        return _of_columns(document["inputs"], names)
    raise CodecError("Missing 'inputs' or 'instances' key")


def _of_columns(inputs: Any, names: Sequence[str]) -> Dict[str, Any]:
    if not isinstance(inputs, dict) or is_base64(inputs):
        if len(names) > 1:
            raise CodecError(
                "inputs is a plain value/list, but expecting an object as multiple input tensors "
                "required as per tensorinfo_map"
            )
        return {names[0]: inputs}
    for name in names:
        if name not in inputs:
            raise CodecError("Missing named input: %s in 'inputs' object." % name)
    return {name: inputs[name] for name in names}


def _of_rows(rows: Any, names: Sequence[str]) -> Dict[str, Any]:
    if not isinstance(rows, list) or not rows:
        raise CodecError("'instances' must be a list of one element or more")
    if not isinstance(rows[0], dict) or is_base64(rows[0]):
        if len(names) > 1:
            raise CodecError(
                "instances is a plain list, but expecting list of objects as multiple input "
                "tensors required as per tensorinfo_map"
            )
        for index, row in enumerate(rows):
            if isinstance(row, dict) and not is_base64(row):
                raise _wrong_row(index, "Expecting value/list but got object")
        return {names[0]: rows}
    expected = set(names)
    for index, row in enumerate(rows):
        if not isinstance(row, dict):
            raise _wrong_row(index, "Expecting object but got list/value")
        if row.keys() != expected:
            raise _wrong_row(
                index,
                "JSON object: keys must be equal to: %s, got: %s"
                % (",".join(names), _listed(list(row))),
            )
    return {name: [row[name] for row in rows] for name in names}


def _wrong_row(index: int, sentence: str) -> CodecError:
    return CodecError(
        "Failed to process element: %d of 'instances' list. Error: %s" % (index, sentence)
    )


def _listed(names: List[str]) -> str:
    return ", ".join(map(quote, names)) or "none"
