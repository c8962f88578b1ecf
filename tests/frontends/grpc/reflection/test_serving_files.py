"""The files of TensorFlow Serving, by digests of what clients learn from its own ones."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto

from eas_processor.frontends.grpc.reflection import grpc_files, serving_files, tensorflow_files
from eas_processor.frontends.grpc.reflection.descriptors import Descriptors

DESCRIPTORS = Descriptors(tensorflow_files.FILES + serving_files.FILES + grpc_files.FILES)

# `digest` of the files in the package tensorflow-serving-api 2.21.0, with TensorFlow's.
DIGESTS = {
    "tensorflow/core/framework/resource_handle.proto": "c74575ad7bda383c",
    "tensorflow/core/framework/tensor.proto": "dea27b21ca8361be",
    "tensorflow/core/framework/tensor_shape.proto": "0bbf59a129e36d42",
    "tensorflow/core/protobuf/error_codes.proto": "74076e58b15d41d4",
    "tensorflow_serving/apis/classification.proto": "2ae362a1d073c161",
    "tensorflow_serving/apis/get_model_metadata.proto": "19e4f0f51ea36539",
    "tensorflow_serving/apis/get_model_status.proto": "4b9827ed4faa52cc",
    "tensorflow_serving/apis/inference.proto": "fee044fe2e653695",
    "tensorflow_serving/apis/input.proto": "eb370926cb3d9e62",
    "tensorflow_serving/apis/model.proto": "add13f99347ef44b",
    "tensorflow_serving/apis/model_management.proto": "d81ffc781e337e53",
    "tensorflow_serving/apis/model_service.proto": "3539d2891ce5061c",
    "tensorflow_serving/apis/predict.proto": "37c6f807329d073b",
    "tensorflow_serving/apis/prediction_service.proto": "08dbd0dca45df7de",
    "tensorflow_serving/apis/regression.proto": "e8434b12ce82f05f",
    "tensorflow_serving/apis/status.proto": "018f50ef95cb125e",
    "tensorflow_serving/config/file_system_storage_path_source.proto": "99c7f07e40ff6958",
    "tensorflow_serving/config/log_collector_config.proto": "613cc5d4bfd69247",
    "tensorflow_serving/config/logging_config.proto": "1399fbfc167f6a9c",
    "tensorflow_serving/config/model_server_config.proto": "3667cd167b3550e5",
}


def message_facts(prefix: str, message: Any) -> Iterator[str]:
    name = f"{prefix}.{message.name}"
    yield f"{name} {message.options.map_entry}"
    for field in message.field:
        oneof = message.oneof_decl[field.oneof_index].name if field.HasField("oneof_index") else ""
        kind = f"{field.type} {field.label} {field.type_name} {oneof}"
        yield f"{name} {field.name} {field.number} {kind}"
    for inner in message.nested_type:
        yield from message_facts(name, inner)
    for enum in message.enum_type:
        yield from enum_facts(name, enum)


def enum_facts(prefix: str, enum: Any) -> Iterator[str]:
    for value in enum.value:
        yield f"{prefix}.{enum.name} {value.name} {value.number}"


def facts(file: Any) -> Iterator[str]:
    yield from (f"import {each}" for each in file.dependency)
    for message in file.message_type:
        yield from message_facts(file.package, message)
    for enum in file.enum_type:
        yield from enum_facts(file.package, enum)
    for service in file.service:
        for method in service.method:
            yield f"{service.name} {method.name} {method.input_type} {method.output_type}"


def digest(file: Any) -> str:
    """Return a digest of the names, numbers, types and labels that are in a file."""
    return sha256("\n".join(sorted(facts(file))).encode()).hexdigest()[:16]


@pytest.mark.parametrize("path", DIGESTS)
def test_a_file_says_what_that_of_tensorflow_serving_says(path: str) -> None:
    file = FileDescriptorProto.FromString(DESCRIPTORS.files(path)[0])
    assert digest(file) == DIGESTS[path], "\n".join(sorted(facts(file)))
