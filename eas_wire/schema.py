"""
The messages of `proto/predict.proto` as protobuf classes.

They have their own descriptor pool, so that a process can also load another copy of the file, such
as the vendor's. They are built at import, because generated code is tied to one major version of
protobuf.
"""

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from eas_wire.dtypes import NUMBERS

_Field = descriptor_pb2.FieldDescriptorProto

_MESSAGES = {
    "ArrayShape": [("repeated int64", "dim", 1)],
    "ArrayProto": [
        ("ArrayDataType", "dtype", 1),
        ("ArrayShape", "array_shape", 2),
        ("repeated float", "float_val", 3),
        ("repeated double", "double_val", 4),
        ("repeated int32", "int_val", 5),
        ("repeated bytes", "string_val", 6),
        ("repeated int64", "int64_val", 7),
        ("repeated bool", "bool_val", 8),
    ],
    "PredictRequest": [
        ("string", "signature_name", 1),
        ("map<string, ArrayProto>", "inputs", 2),
        ("repeated string", "output_filter", 3),
    ],
    "PredictResponse": [("map<string, ArrayProto>", "outputs", 1)],
}


def _describe() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(name="predict.proto", syntax="proto3")
    enum = file.enum_type.add(name="ArrayDataType")
    for name, number in sorted(NUMBERS.items(), key=lambda item: item[1]):
        enum.value.add(name=name, number=number)
    for message_name, fields in _MESSAGES.items():
        message = file.message_type.add(name=message_name)
        for declared, name, number in fields:
            _add_field(message, declared, name, number)
    return file


def _add_field(
    message: descriptor_pb2.DescriptorProto, declared: str, name: str, number: int
) -> None:
    _, repeated, type_name = declared.rpartition("repeated ")
    field = message.field.add(name=name, number=number)
    field.label = _Field.LABEL_REPEATED if repeated else _Field.LABEL_OPTIONAL
    if type_name.startswith("map<"):
        key_type, value_type = type_name[len("map<") : -1].split(", ")
        entry = message.nested_type.add(name=f"{name.capitalize()}Entry")
        entry.options.map_entry = True
        _add_field(entry, key_type, "key", 1)
        _add_field(entry, value_type, "value", 2)
        field.label = _Field.LABEL_REPEATED
        field.type = _Field.TYPE_MESSAGE
        field.type_name = f".{message.name}.{entry.name}"
    elif type_name[0].isupper():
        is_enum = type_name == "ArrayDataType"
        field.type = _Field.TYPE_ENUM if is_enum else _Field.TYPE_MESSAGE
        field.type_name = f".{type_name}"
    else:
        field.type = getattr(_Field, f"TYPE_{type_name.upper()}")


DESCRIPTOR = _describe()
_pool = descriptor_pool.DescriptorPool()
_pool.AddSerializedFile(DESCRIPTOR.SerializeToString())


def _message_class(name: str) -> Any:
    descriptor = _pool.FindMessageTypeByName(name)
    if hasattr(message_factory, "GetMessageClass"):
        return message_factory.GetMessageClass(descriptor)
    factory: Any = message_factory.MessageFactory(_pool)
    return factory.GetPrototype(descriptor)  # protobuf before 4.22


ArrayShape = _message_class("ArrayShape")
ArrayProto = _message_class("ArrayProto")
PredictRequest = _message_class("PredictRequest")
PredictResponse = _message_class("PredictResponse")
