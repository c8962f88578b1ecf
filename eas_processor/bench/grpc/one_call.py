"""Make one gRPC call and return its answer."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from time import perf_counter
from typing import NamedTuple

import uvloop

from eas_processor.bench.connecting import open_grpc
from eas_processor.bench.grpc.call import Call
from eas_processor.bench.grpc.connection import GrpcConnection
from eas_processor.bench.grpc.lane import Lane
from eas_processor.bench.target import Target
from eas_processor.errors import BenchError

_PREFIX = 5


class Answer(NamedTuple):
    """The number of a gRPC status, its text, and the message, b"" if there is none."""

    status: int
    text: str
    message: bytes


def call_once(target: Target, call: Call, timeout: float) -> Answer:
    """Return the answer to one call. Raises BenchError if none arrives within `timeout` seconds."""
    return uvloop.run(_call(target, call, timeout))


async def _call(target: Target, call: Call, timeout: float) -> Answer:
    asked = _Asked()
    connection = await open_grpc(target, GrpcConnection(asked, 1, keep=True))
    try:
        connection.lanes[0].send(call, perf_counter())
        return await asyncio.wait_for(asked.answer, timeout)
    except TimeoutError:
        raise BenchError(f"{target.authority} gave no answer within {timeout:g} s") from None
    finally:
        connection.abort()


class _Asked:
    """The owner of a connection with one lane."""

    def __init__(self) -> None:
        self.answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

    def answered(self, sender: Lane, status: int, *_: float, reusable: bool) -> None:
        message = b"".join(sender.pieces)[_PREFIX:]
        self.answer.set_result(Answer(status, sender.text, message))

    def broken(self, sender: Lane, reason: str) -> None:
        self._fail(reason)

    def free(self, sender: Lane) -> None:
        pass

    def lost(self, senders: Sequence[Lane], reason: Exception | None) -> None:
        self._fail(f"the connection was cut before the answer ({reason or 'closed'})")

    def _fail(self, reason: str) -> None:
        if not self.answer.done():
            self.answer.set_exception(BenchError(reason))
