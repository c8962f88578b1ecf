"""The schema in the code is the one in `proto/predict.proto`."""

import re
from pathlib import Path

from google.protobuf.descriptor import FieldDescriptor

from eas_wire import schema

PROTO = Path(__file__).parents[2] / "proto" / "predict.proto"


def declared():
    """The blocks of the file: {'message ArrayShape': [('repeated int64', 'dim', 1)], ...}."""
    text = re.sub(r"//.*", "", PROTO.read_text(encoding="utf-8"))
    blocks = re.findall(r"(enum|message) (\w+) \{(.*?)\}", text, re.DOTALL)
    line = re.compile(r"([\w<>, ]*?) *(\w+) = (\d+);")
    return {
        f"{kind} {name}": [
            (what.strip(), field, int(number)) for what, field, number in line.findall(body)
        ]
        for kind, name, body in blocks
    }


def type_name(field):
    if field.message_type is not None:
        return field.message_type.name
    if field.enum_type is not None:
        return field.enum_type.name
    kinds = ["double", "float", "int64", "int32", "bool", "string", "bytes"]
    return {getattr(FieldDescriptor, f"TYPE_{kind.upper()}"): kind for kind in kinds}[field.type]


def spelled(field):
    entry = field.message_type
    if entry is not None and entry.GetOptions().map_entry:
        key, value = entry.fields
        return f"map<{type_name(key)}, {type_name(value)}>"
    repeated = "repeated " if isinstance(field.default_value, (list, tuple)) else ""
    return repeated + type_name(field)


def in_code():
    file = schema.PredictRequest.DESCRIPTOR.file
    blocks = {
        f"enum {name}": [("", value.name, value.number) for value in enum.values]
        for name, enum in file.enum_types_by_name.items()
    }
    for name, message in file.message_types_by_name.items():
        blocks[f"message {name}"] = [(spelled(f), f.name, f.number) for f in message.fields]
    return blocks


def test_the_code_says_what_the_file_says():
    assert in_code() == declared()


def test_numbers_are_packed():
    message = schema.ArrayProto(int_val=[1, 2], float_val=[1])
    assert message.SerializeToString() == b"\x1a\x04\0\0\x80?\x2a\x02\1\2"


def test_java_classes_have_the_published_names():
    options = dict(
        re.findall(r'^option (\w+) = "?([^";]+)"?;', PROTO.read_text("utf-8"), re.MULTILINE)
    )
    assert options == {
        "cc_enable_arenas": "true",
        "java_package": "com.aliyun.openservices.eas.predict.proto",
        "java_outer_classname": "PredictProtos",
    }
