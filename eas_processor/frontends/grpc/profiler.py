"""
`tensorflow.ProfilerService`, so that TensorBoard and `tf.profiler.experimental.client` work.

    Profile    what TensorFlow did in each ready instance, in the answer: a client that asks for a
               directory writes the files itself
    Terminate  ends a running Profile, which is answered with what there is until then
    Monitor    a few lines of text: requests, rows a run and processor cores of each version
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from eas_processor.contracts.refusals import Refusal
from eas_processor.frontends.grpc.http2.head import StreamHead
from eas_processor.frontends.grpc.http2.stream import Method, Stream
from eas_processor.frontends.grpc.profiler_messages import (
    BadMessageError,
    read_monitor,
    read_profile,
    write_monitor,
    write_profile,
)
from eas_processor.frontends.grpc.profiling import CannotProfileError, Profiling
from eas_processor.link.codes import INTERNAL, INVALID_ARGUMENT, PROCESSOR, QUEUE_FULL, TOO_LARGE
from eas_processor.serving.registry import Registry

if TYPE_CHECKING:
    from eas_processor.frontends.grpc.http2.connection import Http2Connection

log = logging.getLogger("eas_processor.engine")

_MOST_SECONDS = 60.0
_LARGEST_REQUEST = 64 * 1024
_STATUSES = {TOO_LARGE: 8, QUEUE_FULL: 14, PROCESSOR: 2}
"""Numbers of gRPC for codes that have another here."""


class _ProfilerStream(Stream):
    """A call whose answer takes a while: a task, which ends when the client leaves."""

    __slots__ = ("_task",)

    method: _ProfilerMethod
    _task: asyncio.Task[None]

    def received(self, now: float) -> None:
        message = b"".join(self.body)
        if len(message) > _LARGEST_REQUEST:
            sentence = f"the request has {len(message)} bytes, at most {_LARGEST_REQUEST} are taken"
            self.answer(INVALID_ARGUMENT, [sentence.encode()])
            return
        self._task = asyncio.create_task(self._answer(message))

    def withdraw(self) -> None:
        task = getattr(self, "_task", None)
        if task is not None:
            task.cancel()

    def refuse(self, refusal: Refusal) -> None:
        self.answer(refusal.code, [str(refusal).encode()])

    def answer(self, code: int, payload: list[bytes]) -> None:
        self.fail(_STATUSES.get(code, code), b"".join(payload).decode(errors="replace"))

    async def _answer(self, message: bytes) -> None:
        try:
            self.respond(await self.reply(message, self.method.profiling))
        except BadMessageError as error:
            self.answer(INVALID_ARGUMENT, [str(error).encode()])
        except CannotProfileError as error:
            self.answer(error.code, [str(error).encode()])
        except Exception:
            log.exception("a call of the profiler failed")
            self.answer(INTERNAL, [b"the profiler failed; the log has the traceback"])

    async def reply(self, message: bytes, profiling: Profiling) -> list[bytes]:
        """Return the pieces of the answer. Raises BadMessageError and CannotProfileError."""
        raise NotImplementedError


class _Profile(_ProfilerStream):
    __slots__ = ()

    async def reply(self, message: bytes, profiling: Profiling) -> list[bytes]:
        asked = read_profile(message)
        _check(asked.seconds)
        return write_profile(await profiling.take(asked))


class _Terminate(_ProfilerStream):
    __slots__ = ()

    async def reply(self, message: bytes, profiling: Profiling) -> list[bytes]:
        profiling.end()
        return [b""]


class _Monitor(_ProfilerStream):
    __slots__ = ()

    async def reply(self, message: bytes, profiling: Profiling) -> list[bytes]:
        asked = read_monitor(message)
        _check(asked.seconds)
        return [write_monitor(await profiling.watch(asked))]


class _ProfilerMethod:
    """One method of the service."""

    def __init__(self, kind: type[_ProfilerStream], profiling: Profiling) -> None:
        self._kind = kind
        self.profiling = profiling

    def holds(self) -> bool:
        return True

    def open(
        self, connection: Http2Connection, stream_id: int, head: StreamHead, now: float
    ) -> Stream:
        return self._kind(self, connection, stream_id, head, now)


def profiler_methods(registry: Registry) -> dict[bytes, Method]:
    """Return the methods of the service by their paths."""
    profiling = Profiling(registry)
    kinds: dict[bytes, Any] = {b"Profile": _Profile, b"Terminate": _Terminate, b"Monitor": _Monitor}
    return {
        b"/tensorflow.ProfilerService/" + name: _ProfilerMethod(kind, profiling)
        for name, kind in kinds.items()
    }


def _check(seconds: float) -> None:
    if not 0 < seconds <= _MOST_SECONDS:
        raise BadMessageError(
            f"duration_ms is {seconds * 1e3:.0f}, expected 1 to {_MOST_SECONDS * 1e3:.0f}"
        )
