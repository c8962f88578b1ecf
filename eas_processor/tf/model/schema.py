"""
The protobuf schema of TensorFlow's model files, as far as this project reads them.

A private descriptor pool has only these fields, with TensorFlow's numbers, and protobuf skips all
others. The messages are in their own package, so that they do not conflict with TensorFlow's in the
same process.
"""

from typing import Any, Dict, List, Tuple

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_PACKAGE = "eas_processor.tf"

DATA_TYPES = {
    number: "DT_" + name
    for number, name in enumerate(
        [
            "INVALID",
            "FLOAT",
            "DOUBLE",
            "INT32",
            "UINT8",
            "INT16",
            "INT8",
            "STRING",
            "COMPLEX64",
            "INT64",
            "BOOL",
            "QINT8",
            "QUINT8",
            "QINT32",
            "BFLOAT16",
            "QINT16",
            "QUINT16",
            "UINT16",
            "COMPLEX128",
            "HALF",
            "RESOURCE",
            "VARIANT",
            "UINT32",
            "UINT64",
            "FLOAT8_E5M2",
            "FLOAT8_E4M3FN",
            "FLOAT8_E4M3FNUZ",
            "FLOAT8_E4M3B11FNUZ",
            "FLOAT8_E5M2FNUZ",
            "INT4",
            "UINT4",
            "INT2",
            "UINT2",
            "FLOAT4_E2M1FN",
        ]
    )
}

# The dtype number of a reference to a variable is the variable's plus this: 101 is DT_FLOAT_REF.
REF_OFFSET = 100

# Fields by message: (name, number, type). `*` means repeated, and `->` a map from strings.
Messages = Dict[str, List[Tuple[str, int, str]]]

_MESSAGES: Messages = {
    "SavedModel": [("meta_graphs", 2, "*MetaGraphDef")],
    "MetaGraphDef": [
        ("meta_info_def", 1, "MetaInfoDef"),
        ("graph_def", 2, "GraphDef"),
        ("saver_def", 3, "SaverDef"),
        ("signature_def", 5, "->SignatureDef"),
    ],
    "MetaInfoDef": [("tags", 4, "*string"), ("tensorflow_version", 5, "string")],
    "SaverDef": [("filename_tensor_name", 1, "string")],
    "SignatureDef": [
        ("inputs", 1, "->TensorInfo"),
        ("outputs", 2, "->TensorInfo"),
        ("method_name", 3, "string"),
        ("defaults", 4, "->TensorProto"),
    ],
    "TensorProto": [
        ("dtype", 1, "DataType"),
        ("tensor_shape", 2, "TensorShape"),
        ("version_number", 3, "int32"),
        ("tensor_content", 4, "bytes"),
        ("half_val", 13, "*int32"),
        ("float_val", 5, "*float"),
        ("double_val", 6, "*double"),
        ("int_val", 7, "*int32"),
        ("string_val", 8, "*bytes"),
        ("scomplex_val", 9, "*float"),
        ("int64_val", 10, "*int64"),
        ("bool_val", 11, "*bool"),
        ("dcomplex_val", 12, "*double"),
        ("uint32_val", 16, "*uint32"),
        ("uint64_val", 17, "*uint64"),
    ],
    "TensorInfo": [
        ("name", 1, "string"),
        ("dtype", 2, "DataType"),
        ("tensor_shape", 3, "TensorShape"),
        ("coo_sparse", 4, "CooSparse"),
    ],
    "CooSparse": [
        ("values_tensor_name", 1, "string"),
        ("indices_tensor_name", 2, "string"),
        ("dense_shape_tensor_name", 3, "string"),
    ],
    "TensorShape": [("dim", 2, "*Dim"), ("unknown_rank", 3, "bool")],
    "Dim": [("size", 1, "int64"), ("name", 2, "string")],
    "GraphDef": [("node", 1, "*NodeDef"), ("versions", 4, "VersionDef")],
    "VersionDef": [("producer", 1, "int32")],
    "NodeDef": [
        ("name", 1, "string"),
        ("op", 2, "string"),
        ("input", 3, "*string"),
        ("attr", 5, "->AttrValue"),
    ],
    "AttrValue": [("type", 6, "DataType"), ("shape", 7, "TensorShape")],
}

_Field = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    "string": _Field.TYPE_STRING,
    "bytes": _Field.TYPE_BYTES,
    "bool": _Field.TYPE_BOOL,
    "float": _Field.TYPE_FLOAT,
    "double": _Field.TYPE_DOUBLE,
    "int32": _Field.TYPE_INT32,
    "int64": _Field.TYPE_INT64,
    "sint64": _Field.TYPE_SINT64,
    "uint32": _Field.TYPE_UINT32,
    "uint64": _Field.TYPE_UINT64,
}


def _set_type(field: Any, kind: str) -> None:
    if kind in _SCALARS:
        field.type = _SCALARS[kind]
    else:
        field.type = _Field.TYPE_ENUM if kind == "DataType" else _Field.TYPE_MESSAGE
        field.type_name = f".{_PACKAGE}.{kind}"


def _add_map_entry(message: Any, field_name: str, kind: str) -> str:
    """Add the entry message of a map field, and return its name within the package."""
    entry = message.nested_type.add()
    entry.name = field_name.title().replace("_", "") + "Entry"
    entry.options.map_entry = True
    for name, number, part in (("key", 1, "string"), ("value", 2, kind)):
        field = entry.field.add(name=name, number=number, label=_Field.LABEL_OPTIONAL)
        _set_type(field, part)
    return f"{message.name}.{entry.name}"


def _build_file(messages: Messages, syntax: str) -> Any:
    proto = descriptor_pb2.FileDescriptorProto(
        name=f"{_PACKAGE}/saved_model.proto", package=_PACKAGE, syntax=syntax
    )
    enum = proto.enum_type.add(name="DataType")
    for number, name in DATA_TYPES.items():
        enum.value.add(name=name, number=number)
        if number:
            enum.value.add(name=f"{name}_REF", number=number + REF_OFFSET)
    for message_name, fields in messages.items():
        message = proto.message_type.add(name=message_name)
        for name, number, kind in fields:
            repeated = kind.startswith(("*", "->"))
            label = _Field.LABEL_REPEATED if repeated else _Field.LABEL_OPTIONAL
            field = message.field.add(name=name, number=number, label=label)
            is_map = kind.startswith("->")
            _set_type(
                field, _add_map_entry(message, name, kind[2:]) if is_map else kind.lstrip("*")
            )
    return proto


def _message_class(pool: Any, name: str) -> Any:
    descriptor = pool.FindMessageTypeByName(f"{_PACKAGE}.{name}")
    if hasattr(message_factory, "GetMessageClass"):
        return message_factory.GetMessageClass(descriptor)
    factory: Any = message_factory.MessageFactory(pool)  # protobuf 3
    return factory.GetPrototype(descriptor)


def _pool_of(messages: Messages, syntax: str) -> Any:
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(_build_file(messages, syntax).SerializeToString())
    return pool


def message_class(messages: Messages, name: str) -> Any:
    """Return a message class of a table like `_MESSAGES`, with proto2's presence of fields."""
    return _message_class(_pool_of(messages, "proto2"), name)


_pool = _pool_of(_MESSAGES, "proto3")
SavedModel = _message_class(_pool, "SavedModel")
GraphDef = _message_class(_pool, "GraphDef")
SignatureDef = _message_class(_pool, "SignatureDef")
