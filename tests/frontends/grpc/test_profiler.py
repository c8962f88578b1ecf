"""`tensorflow.ProfilerService` over a real connection, with instances that the tests play."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from fixtures.registries import registry_of

from eas_processor.contracts.backend import State
from eas_processor.contracts.settings import EngineSettings, ServiceSettings
from eas_processor.frontends.grpc.first_bytes import GrpcAlone
from eas_processor.frontends.grpc.http2.head import StreamHead
from eas_processor.frontends.grpc.http2.stream import Method
from eas_processor.frontends.grpc.profiler import profiler_methods
from eas_processor.frontends.http.server import HttpServer
from eas_processor.frontends.router import Router
from eas_processor.link.codes import OK, TOO_LARGE, UNAVAILABLE, UNIMPLEMENTED
from eas_processor.serving.admission import Admission
from eas_processor.serving.budget import Budget
from eas_processor.serving.registry import Registry
from eas_processor.serving.service import Service

SERVICE = "/tensorflow.ProfilerService/"
HALF_A_SECOND = b"\x08\xf4\x03"
A_MINUTE = b"\x08\xe0\xd4\x03"


class PlayedProfiler:
    """Answers when the test says so, or at once where `answer` is set before."""

    def __init__(self) -> None:
        self.asked: list[tuple[float, dict[str, int]]] = []
        self.begun = asyncio.Event()
        self.ended = asyncio.Event()
        self.left = asyncio.Event()
        self.answer: tuple[int, bytes] | None = None

    async def run(self, seconds: float, levels: dict[str, int]) -> tuple[int, bytes]:
        self.asked.append((seconds, levels))
        self.begun.set()
        try:
            if self.answer is None:
                await self.ended.wait()
                return OK, b"until the end"
        except asyncio.CancelledError:
            self.left.set()
            raise
        return self.answer

    def end(self) -> None:
        self.ended.set()


class PlayedInstance:
    def __init__(self, number: int, state: State = State.READY) -> None:
        self.number, self.state, self.pid = number, state, os.getpid()
        self.profiler = PlayedProfiler()


class PlayedInstances:
    info: dict[str, Any] = {"info_code": 0}  # noqa: RUF012 - never written

    def __init__(self, *instances: PlayedInstance) -> None:
        self.instances = list(instances)


class Routes:
    def __init__(self, registry: Registry) -> None:
        self._methods = profiler_methods(registry)

    def find(self, head: StreamHead) -> Method:
        return self._methods[head.path]


class Stage:
    """A served registry, and a client of it."""

    def __init__(self, service: Service, server: HttpServer, channel: grpc.Channel) -> None:
        self.service = service
        self.server = server
        self._channel = channel

    def call(self, method: str, message: bytes) -> Any:
        return self._channel.unary_unary(SERVICE + method)(message, timeout=30)

    async def ask(self, method: str, message: bytes) -> bytes:
        return await asyncio.to_thread(self.call, method, message)

    async def refused(self, method: str, message: bytes) -> tuple[grpc.StatusCode, str]:
        with pytest.raises(grpc.RpcError) as raised:
            await self.ask(method, message)
        return raised.value.code(), raised.value.details()


@pytest.fixture
def stage(service: Callable[..., ServiceSettings]) -> Any:
    """Serves these instances as version 1 of the model `a/b` on a port of its own."""

    @asynccontextmanager
    async def serve(*instances: PlayedInstance, token: str = "") -> AsyncIterator[Stage]:
        settings = service(name="a/b", token=token)
        budget = Budget(1 << 20, 1 << 20)
        played: Any = PlayedInstances(*instances)
        served = Service(settings, Admission(settings), played, budget, 1 << 20)
        registry = registry_of(served)
        engine = EngineSettings(port=0, host="127.0.0.1")
        server = HttpServer(engine, Router(registry), budget, speaks=GrpcAlone(Routes(registry)))
        address = server.bind().partition("://")[2]
        await server.listen()
        try:
            with grpc.insecure_channel(address) as channel:
                yield Stage(served, server, channel)
        finally:
            server.close()

    return serve


async def test_each_ready_instance_that_was_busy_is_a_file_of_the_answer(stage: Any) -> None:
    busy, idle, starting = (
        PlayedInstance(1),
        PlayedInstance(2),
        PlayedInstance(3, State.STARTING),
    )
    busy.profiler.answer, idle.profiler.answer = (OK, b"XSPACE"), (OK, b"")
    async with stage(busy, idle, starting) as on:
        answer = await on.ask("Profile", HALF_A_SECOND)
    assert answer == b"\x32\x1d\x0a\x13a%2Fb-1-1.xplane.pb\x12\x06XSPACE"
    levels = {"host_tracer_level": 2, "device_tracer_level": 1}
    assert busy.profiler.asked == idle.profiler.asked == [(0.5, levels)]
    assert starting.profiler.asked == []


async def test_an_idle_time_is_an_empty_trace(stage: Any) -> None:
    idle = PlayedInstance(1)
    idle.profiler.answer = OK, b""
    async with stage(idle) as on:
        assert await on.ask("Profile", HALF_A_SECOND) == b"\x38\x01"


async def test_one_instance_that_fails_leaves_the_others_profiles(stage: Any) -> None:
    dead, busy = PlayedInstance(1), PlayedInstance(2)
    dead.profiler.answer, busy.profiler.answer = (UNAVAILABLE, b"died"), (OK, b"XSPACE")
    async with stage(dead, busy) as on:
        assert b"a%2Fb-1-2.xplane.pb" in await on.ask("Profile", HALF_A_SECOND)


@pytest.mark.parametrize(
    "code, status",
    [
        (UNIMPLEMENTED, grpc.StatusCode.UNIMPLEMENTED),
        (UNAVAILABLE, grpc.StatusCode.UNAVAILABLE),
        (TOO_LARGE, grpc.StatusCode.RESOURCE_EXHAUSTED),
    ],
)
async def test_why_there_is_no_profile_is_told(
    stage: Any, code: int, status: grpc.StatusCode
) -> None:
    instance = PlayedInstance(1)
    instance.profiler.answer = code, b"not now"
    async with stage(instance) as on:
        assert await on.refused("Profile", HALF_A_SECOND) == (status, "not now")


async def test_without_a_ready_instance_there_is_no_profile(stage: Any) -> None:
    async with stage(PlayedInstance(1, State.WARMING)) as on:
        code, text = await on.refused("Profile", HALF_A_SECOND)
    assert (code, "no instance is ready" in text) == (grpc.StatusCode.UNAVAILABLE, True)


async def test_a_service_with_a_token_is_neither_profiled_nor_named(stage: Any) -> None:
    instance = PlayedInstance(1)
    async with stage(instance, token="t") as on:
        assert (await on.refused("Profile", HALF_A_SECOND))[0] is grpc.StatusCode.UNAVAILABLE
        assert await on.ask("Monitor", b"\x08\x01") == b"\x0a\x12no model is served"
    assert instance.profiler.asked == []


async def test_terminate_ends_a_profile_and_a_second_one_waits_for_that(stage: Any) -> None:
    instance = PlayedInstance(1)
    async with stage(instance) as on:
        first = asyncio.create_task(on.ask("Profile", A_MINUTE))
        await instance.profiler.begun.wait()
        code, text = await on.refused("Profile", A_MINUTE)
        assert (code, "another profile" in text) == (grpc.StatusCode.UNAVAILABLE, True)
        assert await on.ask("Terminate", b"\x0a\x01s") == b""
        assert b"until the end" in await first
        assert len(instance.profiler.asked) == 1


async def test_a_client_that_leaves_ends_its_profile(stage: Any) -> None:
    instance = PlayedInstance(1)
    async with stage(instance) as on:
        call = on._channel.unary_unary(SERVICE + "Profile").future(A_MINUTE)
        await instance.profiler.begun.wait()
        call.cancel()
        await asyncio.wait_for(instance.profiler.left.wait(), 10)
        instance.profiler.answer = OK, b"next"
        assert b"next" in await on.ask("Profile", HALF_A_SECOND)


async def test_what_is_running_when_the_engine_ends_is_answered_and_holds_nothing_up(
    stage: Any,
) -> None:
    instance = PlayedInstance(1)
    async with stage(instance) as on:
        profile = asyncio.create_task(on.ask("Profile", A_MINUTE))
        report = asyncio.create_task(on.ask("Monitor", A_MINUTE))
        await instance.profiler.begun.wait()
        await asyncio.wait_for(on.server.drain(grace=30, moment=0.1), 10)
        assert b"until the end" in await profile
        assert b"a/b version 1: 1 instance, " in await report


@pytest.mark.parametrize(
    "message, sentence",
    [
        (b"", "duration_ms is 0, expected 1 to 60000"),
        (b"\x08\xe1\xd4\x03", "duration_ms is 60001, expected 1 to 60000"),
        (b"\x08", "the message cannot be read: "),
    ],
)
@pytest.mark.parametrize("method", ["Profile", "Monitor"])
async def test_what_cannot_be_asked_for_is_refused(
    stage: Any, method: str, message: bytes, sentence: str
) -> None:
    async with stage(PlayedInstance(1)) as on:
        code, text = await on.refused(method, message)
    assert (code, sentence in text) == (grpc.StatusCode.INVALID_ARGUMENT, True), text


async def test_monitor_tells_what_each_version_did(stage: Any) -> None:
    async with stage(PlayedInstance(1), PlayedInstance(2)) as on:
        metrics = on.service.metrics
        task = asyncio.create_task(on.ask("Monitor", HALF_A_SECOND + b"\x10\x02\x18\x01"))
        # While it watches; what came before is in both of its looks.
        while not task.done():
            metrics.latency.add(0.001)
            metrics.batch_rows.add(4)
            metrics.steps["run"].add(0.002)
            await asyncio.sleep(0.01)
        _, _, report = (await task).partition(b"Timestamp: ")
    _, line = report.decode().split("\n")
    assert line.startswith("a/b version 1: 2 instances, ")
    assert ", 4.0 rows a run, " in line
    assert "run 2.000, " in line
