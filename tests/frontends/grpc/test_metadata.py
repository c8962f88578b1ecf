"""`GetModelMetadata`."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from fixtures.serving_messages import new, parsed

METADATA = "/tensorflow.serving.PredictionService/GetModelMetadata"


def request(*fields: str, **spec: Any) -> bytes:
    message = new(
        "GetModelMetadataRequest", model_spec=new("ModelSpec", **spec), metadata_field=fields
    )
    return bytes(message.SerializeToString())


async def test_the_signatures_of_a_version_are_told(serve: Any) -> None:
    async with serve() as front:
        front.model("m", 123)
        answer = await front.ask(METADATA, request("signature_def", name="m"))
    read = parsed("GetModelMetadataResponse", answer)
    spec = read.model_spec
    assert (spec.name, spec.version.value, spec.signature_name) == ("m", 123, "")
    (entry,) = read.metadata
    assert entry.key == "signature_def"
    assert entry.value.type_url == "type.googleapis.com/tensorflow.serving.SignatureDefMap"
    (signature,) = parsed("SignatureDefMap", entry.value.value).signature_def
    assert signature.key == "serving_default"
    assert signature.value.method_name == "tensorflow/serving/predict"
    (tensor,) = signature.value.inputs
    assert (tensor.key, tensor.value.name, tensor.value.dtype) == ("x", "x:0", 1)
    assert tensor.value.tensor_shape.unknown_rank


@pytest.mark.parametrize(
    ("message", "status", "text"),
    [
        (b"", grpc.StatusCode.INVALID_ARGUMENT, "Missing ModelSpec"),
        (
            request(name="m"),
            grpc.StatusCode.INVALID_ARGUMENT,
            "GetModelMetadataRequest must specify at least one metadata_field",
        ),
        (
            request("signature_def", "other", name="m"),
            grpc.StatusCode.INVALID_ARGUMENT,
            "Metadata field other is not supported",
        ),
        (
            request("signature_def", name="no"),
            grpc.StatusCode.NOT_FOUND,
            "Servable not found for request: Latest(no)",
        ),
    ],
)
async def test_what_cannot_be_told_is_refused(
    serve: Any, message: bytes, status: grpc.StatusCode, text: str
) -> None:
    async with serve() as front:
        front.model("m", 1)
        assert await front.refusal(METADATA, message) == (status, text)
