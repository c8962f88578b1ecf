"""Descriptors, read by protobuf and compared with those that protobuf's compiler has made."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, wrappers_pb2
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from eas_processor.frontends.grpc.reflection import grpc_files, serving_files, tensorflow_files
from eas_processor.frontends.grpc.reflection.descriptors import Descriptors

DESCRIPTORS = Descriptors(tensorflow_files.FILES + serving_files.FILES + grpc_files.FILES)


def in_pool(descriptors: Descriptors, *paths: str) -> Any:
    """Return a pool with these files and what they import; it refuses what does not fit."""
    pool = descriptor_pool.DescriptorPool()
    added = set()

    def add(path: str) -> None:
        file = descriptor_pb2.FileDescriptorProto.FromString(descriptors.files(path)[0])
        for each in file.dependency:
            add(each)
        if path not in added:
            added.add(path)
            pool.Add(file)

    for path in paths:
        add(path)
    return pool


POOL = in_pool(DESCRIPTORS, *set(DESCRIPTORS.symbols.values()))


def facts(message: Any) -> dict[str, Any]:
    """Return all that clients learn of a message."""
    return {
        each.name: (
            each.number,
            each.type,
            is_repeated(each),
            each.has_presence,
            each.message_type and each.message_type.full_name,
            each.enum_type and {value.name: value.number for value in each.enum_type.values},
            each.containing_oneof and each.containing_oneof.name,
        )
        for each in message.fields
    }


def is_repeated(field: Any) -> bool:
    """Return what protobuf has had an attribute for since 6.31, and warns of in the older one."""
    if hasattr(field, "is_repeated"):
        return bool(field.is_repeated)
    return bool(field.label == field.LABEL_REPEATED)


@pytest.mark.parametrize(
    "message",
    [
        *any_pb2.DESCRIPTOR.message_types_by_name.values(),
        *wrappers_pb2.DESCRIPTOR.message_types_by_name.values(),
        *reflection_pb2.DESCRIPTOR.message_types_by_name.values(),
        health_pb2.HealthCheckRequest.DESCRIPTOR,
        health_pb2.HealthCheckResponse.DESCRIPTOR,
    ],
    ids=lambda message: message.full_name,
)
def test_messages_are_those_of_the_compiler(message: Any) -> None:
    assert facts(POOL.FindMessageTypeByName(message.full_name)) == facts(message)


def test_each_symbol_is_in_its_file() -> None:
    for symbol, path in DESCRIPTORS.symbols.items():
        service, _, method = symbol.rpartition(".")
        if service in DESCRIPTORS.services:
            assert POOL.FindServiceByName(service).methods_by_name[method].full_name == symbol
        else:
            assert POOL.FindFileContainingSymbol(symbol).name == path


def test_methods_have_their_streams() -> None:
    methods = {
        method.name: (method.client_streaming, method.server_streaming)
        for name in ("grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection")
        for method in POOL.FindServiceByName(name).methods
    }
    assert methods == {
        "Check": (False, False),
        "Watch": (False, True),
        "ServerReflectionInfo": (True, True),
    }


TEXT = """\
file a.proto a
    enum Kind
        NONE 0
        SOME 7
    message Inner
file dir/b.proto b
    import a.proto
    message Outer
        map string a.Inner by_name 1
        map int32 Outer.Kind kinds 2
        repeated a.Kind others 3
        string one 4 choice
        Outer.Part two 5 choice
        optional bool sure 6
    enum Outer.Kind
        NO 0
    message Outer.Part
        double share 1
"""


def test_a_text_becomes_messages_that_fit_together() -> None:
    outer = in_pool(Descriptors(TEXT), "dir/b.proto").FindMessageTypeByName("b.Outer")
    assert facts(outer) == {
        "by_name": (1, 11, True, False, "b.Outer.ByNameEntry", None, None),
        "kinds": (2, 11, True, False, "b.Outer.KindsEntry", None, None),
        "others": (3, 14, True, False, None, {"NONE": 0, "SOME": 7}, None),
        "one": (4, 9, False, True, None, None, "choice"),
        "two": (5, 11, False, True, "b.Outer.Part", None, "choice"),
        "sure": (6, 8, False, True, None, None, "_sure"),
    }
    entry = outer.nested_types_by_name["ByNameEntry"]
    assert entry.GetOptions().map_entry
    assert entry.fields_by_name["value"].message_type.full_name == "a.Inner"
    assert outer.nested_types_by_name["KindsEntry"].fields_by_name["value"].enum_type is not None


def test_a_type_that_is_nowhere_is_an_error() -> None:
    with pytest.raises(AssertionError, match="Nothing"):
        Descriptors("file a.proto a\n    message M\n        Nothing field 1\n")
