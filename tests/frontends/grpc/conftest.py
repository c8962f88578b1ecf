"""gRPC services on a real port, in front of versions without workers."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import grpc
import pytest
from fixtures.engine import FakeAdmission, eventually_async

from eas_processor.contracts.settings import EngineSettings, ServiceSettings
from eas_processor.frontends.grpc.first_bytes import GrpcAlone
from eas_processor.frontends.grpc.metadata import metadata_methods
from eas_processor.frontends.grpc.routes import GrpcServices
from eas_processor.frontends.http.server import HttpServer
from eas_processor.frontends.router import Router
from eas_processor.frontends.tfs_counters import TfsCounters
from eas_processor.link import codes
from eas_processor.serving.budget import Budget
from eas_processor.serving.registry import Entry, Phase, Registry
from eas_processor.serving.service import Service
from eas_processor.serving.tokens import Tokens
from eas_processor.serving.version_states import Stage, VersionState

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
        self._settings = settings
        self.registry = Registry()
        self.budget = Budget(1 << 26, 1 << 25)
        self.counters = TfsCounters()
        self.services = GrpcServices(self.registry, self.counters)
        self.services.add(metadata_methods(self.services.models))
        self.channel = channel
        self.server: HttpServer
        self.address = ""

    def model(
        self, name: str, *versions: int, token: str = "", frontends: frozenset[str] = GRPC
    ) -> Entry:
        entry = Entry(name, Tokens(token), frontends)
        self.registry.add(entry)
        for number in versions:
            entry.publish(number, self.version(name, token))
            entry.states[number] = VersionState(Stage.AVAILABLE)
        entry.phase = Phase.SERVING
        return entry

    def version(self, name: str, token: str = "") -> Service:
        info = {"metadata": json.dumps(SIGNATURES)}
        instances: Any = SimpleNamespace(info=info, instances=[])
        admission: Any = FakeAdmission()
        settings = self._settings(name=name, token=token)
        return Service(settings, admission, instances, self.budget, 1 << 25)

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
