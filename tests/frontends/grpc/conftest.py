"""gRPC services on a real port, in front of versions without workers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from fixtures.engine import eventually_async
from fixtures.tfs_models import ModelsWithoutWorkers

from eas_processor.contracts.settings import EngineSettings, ServiceSettings
from eas_processor.frontends.grpc.first_bytes import GrpcAlone
from eas_processor.frontends.grpc.metadata import metadata_methods
from eas_processor.frontends.grpc.routes import GrpcServices
from eas_processor.frontends.http.server import HttpServer
from eas_processor.frontends.router import Router
from eas_processor.frontends.tfs_counters import TfsCounters
from eas_processor.link import codes
from eas_processor.serving.registry import Entry
from eas_processor.serving.service import Service

GRPC = frozenset(["grpc"])
PREDICTION = "/tensorflow.serving.PredictionService/"
TENSOR = {"dtype": "DT_FLOAT", "tensor_shape": {"dim": [], "unknown_rank": True}, "name": "x:0"}
SIGNATURES = {
    "serving_default": {
        "inputs": {"x": TENSOR},
        "outputs": {"y": {**TENSOR, "name": "y:0"}},
        "method_name": "tensorflow/serving/predict",
        "defaults": {},
    }
}


class Front:
    """The services over models whose versions have no workers, and a client of them."""

    def __init__(self, settings: Callable[..., ServiceSettings], channel: Any) -> None:
        models = ModelsWithoutWorkers(settings, SIGNATURES, GRPC)
        self.registry, self.budget = models.registry, models.budget
        self.model, self.version = models.model, models.version
        self.counters = TfsCounters()
        self.services = GrpcServices(self.registry, self.counters)
        self.services.add(metadata_methods(self.services.models))
        self.channel = channel
        self.server: HttpServer
        self.address = ""

    def ask(self, path: str, message: bytes, **options: Any) -> Any:
        """Begin a call, whose answer is to be awaited."""
        return self.channel.unary_unary(path)(message, **{"timeout": 30, **options})

    async def refusal(self, path: str, message: bytes, **options: Any) -> tuple[Any, str]:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await self.ask(path, message, **options)
        return raised.value.code(), raised.value.details()

    async def arrived(self, service: Service, count: int = 1) -> list[Any]:
        """Return the calls that a version has got, when there are so many."""
        submitted: list[Any] = service.admission.submitted  # type: ignore[attr-defined]
        await eventually_async(lambda: len(submitted) >= count)
        return submitted

    async def answered(
        self, entry: Entry, number: int, path: str, message: bytes, answer: bytes = b""
    ) -> bytes:
        """Call, have this version answer, and return what the client gets."""
        call = self.ask(PREDICTION + path, message)
        submitted = await self.arrived(entry.versions[number])
        submitted.pop().answer(codes.OK, [answer])
        return bytes(await call)


@pytest.fixture
def serve(service: Callable[..., ServiceSettings]) -> Any:
    """Opens a front on a port of its own."""

    @asynccontextmanager
    async def serve() -> AsyncIterator[Front]:
        front = Front(service, None)
        settings = EngineSettings(port=0, host="127.0.0.1")
        front.server = server = HttpServer(
            settings, Router(front.registry), front.budget, speaks=GrpcAlone(front.services)
        )
        front.address = server.bind().partition("://")[2]
        await server.listen()
        try:
            async with grpc.aio.insecure_channel(front.address) as front.channel:
                yield front
        finally:
            server.close()

    return serve
