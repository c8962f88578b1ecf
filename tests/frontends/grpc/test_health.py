"""`grpc.health.v1` with the client of grpcio-health-checking."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub

from eas_processor.frontends.grpc import open_streams
from eas_processor.frontends.grpc.health import (
    health_methods,
    health_of_models,
    health_of_server,
)
from eas_processor.frontends.grpc.open_streams import OpenStreams

SERVING, NOT_SERVING = HealthCheckResponse.SERVING, HealthCheckResponse.NOT_SERVING
UNKNOWN = HealthCheckResponse.SERVICE_UNKNOWN
Status = grpc.StatusCode
SECRET = [("authorization", "secret")]


@pytest.fixture(autouse=True)
def looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_streams, "_LOOK_S", 0.05)


def of_models(front: Any) -> HealthStub:
    serves = health_of_models(front.registry, front.services.models)
    front.services.add(health_methods(serves, OpenStreams()))
    return HealthStub(front.channel)


async def status(stub: HealthStub, name: str, metadata: Any = ()) -> int:
    answer = await stub.Check(HealthCheckRequest(service=name), metadata=metadata, timeout=30)
    return int(answer.status)


async def refused(call: Any) -> grpc.StatusCode:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call
    code: grpc.StatusCode = raised.value.code()
    return code


@pytest.mark.parametrize("name", ["", "ModelService", "PredictionService"])
async def test_a_server_that_listens_serves(serve: Any, name: str) -> None:
    async with serve() as front:
        serves = health_of_server(["ModelService", "PredictionService"])
        front.services.add(health_methods(serves, OpenStreams()))
        stub = HealthStub(front.channel)
        assert await status(stub, name) == SERVING
        assert await refused(status(stub, "other")) == Status.NOT_FOUND


async def test_a_service_serves_when_a_version_of_it_is_ready(serve: Any) -> None:
    async with serve() as front:
        stub = of_models(front)
        assert await status(stub, "") == NOT_SERVING
        entry = front.model("m", 1)
        assert await status(stub, "") == await status(stub, "m") == SERVING
        entry.withdraw(1)
        assert await status(stub, "m") == NOT_SERVING
        front.model("other", 1, frontends=frozenset(["eas"]))
        assert await refused(status(stub, "other")) == Status.NOT_FOUND


async def test_only_who_has_its_token_learns_of_a_service(serve: Any) -> None:
    async with serve() as front:
        stub = of_models(front)
        front.model("m", 1, token="secret")
        front.model("n", 1, token="another")
        assert await status(stub, "") == await status(stub, "m", SECRET) == SERVING
        for name in ("m", "n", "no"):
            assert await refused(status(stub, name)) == Status.UNAUTHENTICATED
        watch = stub.Watch(HealthCheckRequest(service="m"), timeout=30)
        assert await refused(watch.read()) == Status.UNAUTHENTICATED


async def test_whoever_watches_is_told_of_each_change(serve: Any) -> None:
    async with serve() as front:
        stub = of_models(front)
        watch = stub.Watch(HealthCheckRequest(service="m"), timeout=30)
        assert (await watch.read()).status == UNKNOWN
        entry = front.model("m", 1)
        assert (await watch.read()).status == SERVING
        entry.withdraw(1)
        assert (await watch.read()).status == NOT_SERVING
        front.registry.remove(entry)
        assert (await watch.read()).status == UNKNOWN
        watch.cancel()


async def test_whoever_watches_does_not_hold_up_the_end(serve: Any) -> None:
    async with serve() as front:
        stub = of_models(front)
        front.model("m", 1)
        watch = stub.Watch(HealthCheckRequest(service="m"), timeout=30)
        assert (await watch.read()).status == SERVING
        await front.server.drain(20.0, 0.0)
        assert (await watch.read()).status == NOT_SERVING
        assert await refused(watch.read()) == Status.UNAVAILABLE


async def test_a_message_that_cannot_be_read_is_refused(serve: Any) -> None:
    async with serve() as front:
        of_models(front)
        for message in (b"\x0a\x01\xff", b"\x0a\x05m", b"\x80"):
            refusal = await front.refusal("/grpc.health.v1.Health/Check", message)
            assert refusal[0] == Status.INVALID_ARGUMENT
            watch = front.channel.unary_stream("/grpc.health.v1.Health/Watch")(message, timeout=30)
            assert await refused(watch.read()) == Status.INVALID_ARGUMENT
