"""Reflection with the client of grpcio-reflection."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest
from fixtures.serving_messages import predict_request, tensor
from google.protobuf import message_factory
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)
from grpc_reflection.v1alpha.reflection_pb2 import (
    ServerReflectionRequest,
    ServerReflectionResponse,
)

from eas_processor.frontends.grpc.open_streams import OpenStreams
from eas_processor.frontends.grpc.reflection.service import reflection_methods

SERVING = "tensorflow.serving."
VERSIONS = ["v1", "v1alpha"]


def tell(front: Any) -> None:
    front.services.add(reflection_methods(front.services.served, OpenStreams()))


def stream_of(front: Any, version: str) -> Any:
    return front.channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        request_serializer=ServerReflectionRequest.SerializeToString,
        response_deserializer=ServerReflectionResponse.FromString,
    )(timeout=30)


async def asked(front: Any, version: str = "v1", **question: Any) -> Any:
    stream = stream_of(front, version)
    request = ServerReflectionRequest(host="h", **question)
    await stream.write(request)
    answer = await stream.read()
    await stream.done_writing()
    assert await stream.read() is grpc.aio.EOF
    assert (answer.valid_host, answer.original_request) == ("h", request)
    return answer


def with_client(address: str) -> tuple[list[str], bytes]:
    """Return the services, and a request that is made from nothing but what reflection tells."""
    with grpc.insecure_channel(address) as channel:
        database = ProtoReflectionDescriptorDatabase(channel)
        pool = DescriptorPool(database)
        services = list(database.get_services())
        method = pool.FindServiceByName(SERVING + "PredictionService").FindMethodByName("Predict")
        request = message_factory.GetMessageClass(method.input_type)()
        request.model_spec.name = "m"
        given = request.inputs["x"]
        dtype = given.DESCRIPTOR.fields_by_name["dtype"].enum_type
        given.dtype = dtype.values_by_name["DT_FLOAT"].number
        given.tensor_shape.dim.add().size = 2
        given.float_val.extend([1.0, 2.0])
        request.output_filter.append("y")
        return services, request.SerializeToString(deterministic=True)


async def test_a_client_makes_a_request_of_what_it_is_told(serve: Any) -> None:
    async with serve() as front:
        tell(front)
        services, request = await asyncio.to_thread(with_client, front.address)
    assert services == [
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
        "tensorflow.serving.PredictionService",
    ]
    given = tensor(1, [2], float_val=[1.0, 2.0])
    assert request == predict_request(output_filter=["y"], x=given).SerializeToString()


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "question",
    [
        {"file_by_filename": "tensorflow_serving/apis/predict.proto"},
        {"file_containing_symbol": SERVING + "PredictRequest"},
        {"file_containing_symbol": SERVING + "PredictRequest.RequestOptions"},
    ],
)
async def test_a_file_comes_with_those_that_it_imports(
    serve: Any, version: str, question: dict[str, str]
) -> None:
    async with serve() as front:
        tell(front)
        answer = await asked(front, version, **question)
    files = answer.file_descriptor_response.file_descriptor_proto
    assert b"tensorflow_serving/apis/predict.proto" in files[0]
    assert len(files) == 7


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ({"file_by_filename": "no.proto"}, "there is no file no.proto"),
        ({"file_containing_symbol": "no.Symbol"}, "there is no symbol no.Symbol"),
        ({"file_containing_symbol": ""}, "there is no symbol "),
        ({"all_extension_numbers_of_type": "a.B"}, "the services have no extensions"),
        ({"file_containing_extension": {"extension_number": 1}}, "the services have no extensions"),
    ],
)
async def test_what_is_not_there_is_an_answer_too(
    serve: Any, question: dict[str, Any], text: str
) -> None:
    async with serve() as front:
        tell(front)
        error = (await asked(front, **question)).error_response
    assert (error.error_code, error.error_message) == (5, text)


async def test_a_stream_answers_one_question_after_the_other(serve: Any) -> None:
    async with serve() as front:
        tell(front)
        stream = stream_of(front, "v1")
        for _ in range(3):
            await stream.write(ServerReflectionRequest(list_services="*"))
            assert (await stream.read()).HasField("list_services_response")
        stream.cancel()


async def test_an_open_stream_does_not_hold_up_the_end(serve: Any) -> None:
    async with serve() as front:
        tell(front)
        stream = stream_of(front, "v1")
        await stream.write(ServerReflectionRequest(list_services="*"))
        await stream.read()
        await front.server.drain(20.0, 0.0)
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await stream.read()
    assert raised.value.code() == grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize("message", [b"", b"\x0a\x05h", b"\x80", b"\x0a\x01\xff"])
async def test_a_message_that_asks_nothing_is_refused(serve: Any, message: bytes) -> None:
    async with serve() as front:
        tell(front)
        path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
        stream = front.channel.stream_stream(path)(timeout=30)
        await stream.write(message)
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await stream.read()
    assert raised.value.code() == grpc.StatusCode.INVALID_ARGUMENT
