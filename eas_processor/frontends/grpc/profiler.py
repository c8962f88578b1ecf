"""
`tensorflow.ProfilerService`, so that TensorBoard and `tf.profiler.experimental.client` work.

    Profile    what TensorFlow did in each ready instance, in the answer: a client that asks for a
               directory writes the files itself
    Terminate  ends a running Profile, which is answered with what there is until then
    Monitor    a few lines of text: requests, rows a run and processor cores of each version
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from eas_processor.contracts.refusals import BadRequest
from eas_processor.frontends.grpc.http2.head import StreamHead
from eas_processor.frontends.grpc.http2.stream import Method, Stream
from eas_processor.frontends.grpc.profiler_messages import (
    read_monitor,
    read_profile,
    write_monitor,
    write_profile,
)
from eas_processor.frontends.grpc.profiling import Profiling
from eas_processor.frontends.grpc.simple import SimpleMethod, SimpleStream
from eas_processor.serving.registry import Registry

if TYPE_CHECKING:
    from eas_processor.frontends.grpc.http2.connection import Http2Connection

PROFILER_SERVICE = b"/tensorflow.ProfilerService/"
_MOST_SECONDS = 60.0


def profiler_methods(registry: Registry) -> dict[bytes, Method]:
    """Return the methods of the service by their paths."""
    profiling = Profiling(registry)

    async def profile(message: bytes) -> bytes:
        asked = read_profile(message)
        _check(asked.seconds)
        return write_profile(await profiling.take(asked))

    async def terminate(_: bytes) -> bytes:
        profiling.end()
        return b""

    async def monitor(message: bytes) -> bytes:
        asked = read_monitor(message)
        _check(asked.seconds)
        return write_monitor(await profiling.watch(asked))

    return {
        PROFILER_SERVICE + b"Profile": _ProfilerMethod(profile),
        PROFILER_SERVICE + b"Terminate": _ProfilerMethod(terminate),
        PROFILER_SERVICE + b"Monitor": _ProfilerMethod(monitor),
    }


def _check(seconds: float) -> None:
    if not 0 < seconds <= _MOST_SECONDS:
        raise BadRequest(
            f"duration_ms is {seconds * 1e3:.0f}, expected 1 to {_MOST_SECONDS * 1e3:.0f}"
        )


class _ProfilerStream(SimpleStream):
    """A call that is dropped when its client leaves: nothing is profiled for nobody."""

    __slots__ = ("_task",)
    method: _ProfilerMethod

    def received(self, now: float) -> None:
        answer = self.method.reply(b"".join(self.body))
        self._task = asyncio.create_task(self._finish(answer))

    def withdraw(self) -> None:
        # Without one when the client leaves before its message is whole.
        task = getattr(self, "_task", None)
        if task is not None:
            task.cancel()


class _ProfilerMethod(SimpleMethod):
    """One method of the service."""

    def __init__(self, reply: Callable[[bytes], Coroutine[Any, Any, bytes]]) -> None:
        super().__init__(lambda message, _: reply(message))
        self.reply = reply

    def open(
        self, connection: Http2Connection, stream_id: int, head: StreamHead, now: float
    ) -> Stream:
        return _ProfilerStream(self, connection, stream_id, head, now)
