"""
`tensorflow.ProfilerService`, so that TensorBoard and `tf.profiler.experimental.client` work.

    Profile    returns a profile of each ready instance in the answer; the client writes the files
    Terminate  ends running calls, which return what they have until then
    Monitor    returns lines of text: requests, rows per run and CPU cores of each version
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from eas_processor.contracts.refusals import BadRequest
from eas_processor.frontends.grpc.http2.head import StreamHead
from eas_processor.frontends.grpc.http2.stream import Method, Stream
from eas_processor.frontends.grpc.profiler_messages import (
    MonitorRequest,
    ProfileRequest,
    read_monitor,
    read_profile,
    write_monitor,
    write_profile,
)
from eas_processor.frontends.grpc.profiling import Profiling
from eas_processor.frontends.grpc.simple import SimpleMethod, SimpleStream
from eas_processor.frontends.grpc.wire import MalformedError
from eas_processor.serving.registry import Registry

if TYPE_CHECKING:
    from eas_processor.frontends.grpc.http2.connection import Http2Connection

PROFILER_SERVICE = b"/tensorflow.ProfilerService/"
_MOST_SECONDS = 60.0
_LOOK_S = 0.5
"""How often a call checks whether the engine is shutting down."""

_Asked = TypeVar("_Asked", ProfileRequest, MonitorRequest)


def profiler_methods(registry: Registry) -> dict[bytes, Method]:
    """Return the methods of the service by path."""
    profiling = Profiling(registry)

    async def profile(message: bytes) -> bytes:
        asked = _checked(read_profile, message)
        return write_profile(await profiling.take(asked))

    async def terminate(_: bytes) -> bytes:
        profiling.end()
        return b""

    async def monitor(message: bytes) -> bytes:
        asked = _checked(read_monitor, message)
        return write_monitor(await profiling.watch(asked))

    return {
        PROFILER_SERVICE + b"Profile": _ProfilerMethod(profiling, profile),
        PROFILER_SERVICE + b"Terminate": _ProfilerMethod(profiling, terminate),
        PROFILER_SERVICE + b"Monitor": _ProfilerMethod(profiling, monitor),
    }


def _checked(read: Callable[[bytes], _Asked], message: bytes) -> _Asked:
    """Parse a message and check its duration. Raises BadRequest."""
    try:
        asked = read(message)
    except MalformedError as error:
        raise BadRequest(f"the message cannot be read: {error}") from None
    if not 0 < asked.seconds <= _MOST_SECONDS:
        raise BadRequest(
            f"duration_ms is {asked.seconds * 1e3:.0f}, expected 1 to {_MOST_SECONDS * 1e3:.0f}"
        )
    return asked


class _ProfilerStream(SimpleStream):
    """
    A call that runs for seconds, but not longer than its client waits.

    It is cancelled when its client disconnects, and ends as by Terminate when the engine shuts
    down.
    """

    __slots__ = ("_task",)
    method: _ProfilerMethod

    def received(self, now: float) -> None:
        answer = self.method.reply(b"".join(self.body))
        self._task = asyncio.create_task(self._reply(answer))

    def withdraw(self) -> None:
        # There is no task if the client disconnects before its message is complete.
        task = getattr(self, "_task", None)
        if task is not None:
            task.cancel()

    async def _reply(self, answer: Coroutine[Any, Any, bytes]) -> None:
        ending = asyncio.create_task(self._end_with_engine())
        try:
            await self._finish(answer)
        finally:
            ending.cancel()

    async def _end_with_engine(self) -> None:
        while not self.connection.server.draining:
            await asyncio.sleep(_LOOK_S)
        self.method.profiling.end()


class _ProfilerMethod(SimpleMethod):
    """One method of the service."""

    def __init__(
        self, profiling: Profiling, reply: Callable[[bytes], Coroutine[Any, Any, bytes]]
    ) -> None:
        super().__init__(lambda message, _: reply(message))
        self.profiling = profiling
        self.reply = reply

    def open(
        self, connection: Http2Connection, stream_id: int, head: StreamHead, now: float
    ) -> Stream:
        return _ProfilerStream(self, connection, stream_id, head, now)
