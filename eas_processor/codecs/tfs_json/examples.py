"""Decode the examples in bodies of `:classify` and `:regress`."""

from typing import Any, Dict, List

from eas_processor.codecs.eas_json.inputs import from_base64
from eas_processor.codecs.eas_json.request import is_base64
from eas_processor.codecs.errors import CodecError
from eas_processor.codecs.examples import Feature, write_example

_INT64 = 2**63


def examples_of(document: Dict[str, Any]) -> List[bytes]:
    """Return the serialized examples of a body, each with the features of the context."""
    context = document.get("context")
    if context is not None and not isinstance(context, dict):
        raise CodecError("Example context must be JSON object, got something else")
    examples = document.get("examples")
    if not isinstance(examples, list):
        raise CodecError(
            "When method is classify or regress, key 'examples' is expected and was not found"
        )
    if not examples:
        raise CodecError("'examples' list is empty; expected one example or more")
    shared = b"" if context is None else write_example(_features(context))
    return [shared + write_example(_features(each)) for each in examples]


def _features(example: Any) -> Dict[str, Feature]:
    if not isinstance(example, dict):
        raise CodecError("Example must be JSON object, got something else")
    return {name: _feature(name, value) for name, value in example.items()}


def _feature(name: str, value: Any) -> Feature:
    values = value if isinstance(value, list) else [value]
    kind = ""
    read = []
    for each in values:
        own, converted = _value(name, each)
        if kind and own != kind:
            raise CodecError(
                "Unexpected element type in feature: %s expecting type: %s" % (name, kind)
            )
        kind = own
        read.append(converted)
    return Feature(kind, read)


def _value(name: str, value: Any) -> Any:
    kind = type(value)
    if kind is str:
        return "bytes", value.encode("utf-8", "surrogatepass")
    if kind is dict and is_base64(value):
        try:
            return "bytes", from_base64(value["b64"])
        except ValueError:
            raise CodecError("Unable to base64 decode") from None
    if kind is bool:
        return "int64", int(value)
    if kind is int:
        if not -_INT64 <= value < _INT64:
            raise CodecError(
                "Feature: %s has a number that is too large. Only int64_t is supported" % name
            )
        return "int64", value
    if kind is float:
        return "float", value
    raise CodecError("Feature: %s has element with unexpected JSON type" % name)
