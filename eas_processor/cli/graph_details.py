"""Read the ops and callable functions of a SavedModel from its file, without TensorFlow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from google.protobuf import text_format
from google.protobuf.message import DecodeError

from eas_processor.errors import CallError
from eas_processor.tf.model.schema import DATA_TYPES, message_class

# This reads more of the file than a service does. A large graph takes seconds.
_SAVED_MODEL = message_class(
    {
        "SavedModel": [("meta_graphs", 2, "*MetaGraphDef")],
        "MetaGraphDef": [
            ("meta_info_def", 1, "MetaInfoDef"),
            ("graph_def", 2, "GraphDef"),
            ("object_graph_def", 7, "ObjectGraph"),
        ],
        "MetaInfoDef": [("tags", 4, "*string")],
        "GraphDef": [("node", 1, "*NodeDef"), ("library", 2, "Library")],
        "Library": [("function", 1, "*FunctionDef")],
        "FunctionDef": [("signature", 1, "OpDef"), ("node_def", 3, "*NodeDef")],
        "OpDef": [("name", 1, "string")],
        "NodeDef": [("op", 2, "string"), ("attr", 5, "->AttrValue")],
        "AttrValue": [("func", 10, "NameAttrList")],
        "NameAttrList": [("name", 1, "string")],
        "ObjectGraph": [
            ("nodes", 1, "*SavedObject"),
            ("concrete_functions", 2, "->ConcreteFunction"),
        ],
        "SavedObject": [
            ("children", 1, "*ObjectReference"),
            ("function", 6, "SavedFunction"),
            ("bare_concrete_function", 8, "BareConcreteFunction"),
        ],
        "ObjectReference": [("node_id", 1, "int32"), ("local_name", 2, "string")],
        "SavedFunction": [("concrete_functions", 1, "*string")],
        "BareConcreteFunction": [
            ("concrete_function_name", 1, "string"),
            ("argument_keywords", 2, "*string"),
        ],
        "ConcreteFunction": [("canonicalized_input_signature", 3, "Value")],
        "Value": [
            ("none_value", 1, "Nothing"),
            ("float64_value", 11, "double"),
            ("int64_value", 12, "sint64"),
            ("string_value", 13, "string"),
            ("bool_value", 14, "bool"),
            ("tensor_shape_value", 31, "TensorShape"),
            ("tensor_dtype_value", 32, "DataType"),
            ("tensor_spec_value", 33, "TensorSpec"),
            ("type_spec_value", 34, "TypeSpec"),
            ("list_value", 51, "Values"),
            ("tuple_value", 52, "Values"),
            ("dict_value", 53, "Fields"),
            ("named_tuple_value", 54, "NamedTuple"),
        ],
        "Nothing": [],
        "Values": [("values", 1, "*Value")],
        "Fields": [("fields", 1, "->Value")],
        "NamedTuple": [("name", 1, "string"), ("values", 2, "*Pair")],
        "Pair": [("key", 1, "string"), ("value", 2, "Value")],
        "TensorSpec": [
            ("name", 1, "string"),
            ("shape", 2, "TensorShape"),
            ("dtype", 3, "DataType"),
        ],
        "TypeSpec": [("type_spec_class_name", 3, "string")],
        "TensorShape": [("dim", 2, "*Dim"), ("unknown_rank", 3, "bool")],
        "Dim": [("size", 1, "int64")],
    },
    "SavedModel",
)
_DTYPES = {"FLOAT": "float32", "DOUBLE": "float64", "HALF": "float16"}
_CALLS = ("PartitionedCall", "StatefulPartitionedCall")


@dataclass(frozen=True)
class Shown:
    """A value without a Python literal, such as a TensorSpec: its text, type, and a spec's name."""

    text: str
    kind: str
    name: str | None = None

    def __repr__(self) -> str:
        return self.text


class Option(NamedTuple):
    """One way to call a function: its positional and its named arguments."""

    arguments: list[Any]
    names: list[str]


def read_details(directory: Path) -> list[Any]:
    """Return the graphs of the SavedModel in `directory`, as messages. Raises CallError."""
    message = _SAVED_MODEL()
    path = directory / "saved_model.pb"
    try:
        if path.exists():
            message.ParseFromString(path.read_bytes())
        else:
            path = path.with_suffix(".pbtxt")
            text_format.Parse(path.read_text("utf-8"), message, allow_unknown_field=True)
    except OSError as error:
        raise CallError(f"{path}: {error.strerror or error}") from error
    except (DecodeError, UnicodeDecodeError, text_format.ParseError) as error:
        raise CallError(f"{path}: its functions cannot be read: {error}") from error
    return list(message.meta_graphs)


def ops_of(graph: Any) -> list[str]:
    """Return the ops of a graph and of the functions that it calls, in order."""
    functions = {each.signature.name: each for each in graph.graph_def.library.function}
    seen: set[str] = set()
    left = [graph.graph_def.node]
    while left:
        for node in left.pop():
            used = [node.op]
            if node.op in _CALLS:
                used.append(node.attr["f"].func.name)
            for name in used:
                if name not in seen:
                    seen.add(name)
                    if name in functions:
                        left.append(functions[name].node_def)
    return sorted(seen.difference(functions))


def functions_of(graph: Any) -> Iterator[tuple[str, list[Option]]]:
    """Yield the functions of the model's root object by name, with the ways to call each."""
    objects = graph.object_graph_def
    concrete = objects.concrete_functions
    for child in sorted(objects.nodes[0].children, key=lambda child: child.local_name):
        node = objects.nodes[child.node_id]
        if node.HasField("function"):
            names = sorted(node.function.concrete_functions)
            yield child.local_name, [_option(concrete[name]) for name in names if name in concrete]
        elif node.HasField("bare_concrete_function"):
            bare = node.bare_concrete_function
            found = concrete.get(bare.concrete_function_name)
            option = Option([], []) if found is None else _option(found)
            keywords = Option(list(bare.argument_keywords), [])
            yield child.local_name, [option if any(option) else keywords]


def _option(concrete: Any) -> Option:
    value = _value(concrete.canonicalized_input_signature)
    if not isinstance(value, tuple) or len(value) != 2:
        return Option([], [])
    arguments, named = value
    return Option(list(arguments), list(named))


def _value(value: Any) -> Any:
    kinds = [field.name for field, _ in value.ListFields()]
    kind = kinds[0] if kinds else "none_value"
    found = getattr(value, kind)
    if kind == "none_value":
        return None
    if kind == "list_value":
        return [_value(each) for each in found.values]
    if kind == "tuple_value":
        return tuple(_value(each) for each in found.values)
    if kind == "dict_value":
        return {key: _value(found.fields[key]) for key in sorted(found.fields)}
    if kind == "named_tuple_value":
        return tuple(_value(each.value) for each in found.values)
    if kind == "tensor_spec_value":
        name = found.name or None
        text = f"shape={_shape(found.shape)}, dtype={_dtype(found.dtype)}, name={name!r}"
        return Shown(f"TensorSpec({text})", "TensorSpec", str(name))
    if kind == "tensor_shape_value":
        return Shown(_shape(found), "TensorShape")
    if kind == "tensor_dtype_value":
        return Shown(_dtype(found), "DType")
    if kind == "type_spec_value":
        name = found.type_spec_class_name.rpartition(".")[2] or "TypeSpec"
        return Shown(name, name)
    return found


def _shape(shape: Any) -> str:
    if shape.unknown_rank:
        return "<unknown>"
    return str(tuple(None if dim.size < 0 else dim.size for dim in shape.dim))


def _dtype(number: int) -> str:
    name = DATA_TYPES.get(number, f"DT_{number}")[3:]
    return f"tf.{_DTYPES.get(name, name.lower())}"
