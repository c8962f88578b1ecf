"""
A server of gRPC for tests, without models: `python echo_server.py PORT [SETTING=VALUE ...]`.

It prints `HOST:PORT`. Of the service `test.Echo`, `/Echo` gives the message back, `/Late` does so
30 ms later, `/Size` gives its number of bytes, and `/Stream` gives back each message as it comes.
SETTINGs are fields of EngineSettings. SIGTERM finishes what was accepted.
"""

from __future__ import annotations

import asyncio
import dataclasses
import gc
import signal
import sys

import uvloop

from eas_processor.contracts.refusals import Refusal
from eas_processor.contracts.settings import EngineSettings
from eas_processor.frontends.grpc.first_bytes import GrpcAlone
from eas_processor.frontends.grpc.http2.connection import Http2Connection
from eas_processor.frontends.grpc.http2.head import StreamHead
from eas_processor.frontends.grpc.http2.stream import Method, Stream
from eas_processor.frontends.http.server import HttpServer
from eas_processor.frontends.router import Router
from eas_processor.link import codes
from eas_processor.serving.registry import Registry

STATUSES = {codes.TOO_LARGE: 8, codes.QUEUE_FULL: 14, codes.DEADLINE_EXCEEDED: 4}
UNIMPLEMENTED = 12


class EchoStream(Stream):
    """Gives back what came."""

    def received(self, now: float) -> None:
        self.respond(self.body)

    def answer(self, code: int, payload: list[bytes]) -> None:
        self.fail(STATUSES.get(code, 13), b"".join(payload).decode())

    def refuse(self, refusal: Refusal) -> None:
        self.answer(refusal.code, [str(refusal).encode()])


class LateStream(EchoStream):
    """Gives it back 30 ms later."""

    def received(self, now: float) -> None:
        asyncio.get_running_loop().call_later(0.03, self.respond, self.body)


class SizeStream(EchoStream):
    """Says how many bytes came."""

    def received(self, now: float) -> None:
        self.respond([b"%d" % sum(map(len, self.body))])


class EachStream(EchoStream):
    """Gives back each message."""

    streaming = True

    def message(self, data: bytes, now: float) -> None:
        self.send(data)

    def half_closed(self, now: float) -> None:
        self.finish()


class UnknownStream(EchoStream):
    """Ends at once: there is no such method."""

    def __init__(self, *opened: object) -> None:
        super().__init__(*opened)  # type: ignore[arg-type]
        self.refusal = Refusal("unknown method")

    def refuse(self, refusal: Refusal) -> None:
        self.fail(UNIMPLEMENTED, str(refusal))


class Echo:
    """The method of a path."""

    def __init__(self, kind: type[Stream]) -> None:
        self._kind = kind

    def open(
        self, connection: Http2Connection, stream_id: int, head: StreamHead, now: float
    ) -> Stream:
        return self._kind(self, connection, stream_id, head, now)


METHODS = {
    b"Echo": Echo(EchoStream),
    b"Late": Echo(LateStream),
    b"Size": Echo(SizeStream),
    b"Stream": Echo(EachStream),
}


class EchoRoutes:
    """Finds the method by the end of the path."""

    def find(self, head: StreamHead) -> Method:
        package, _, name = head.path.rpartition(b"/")
        known = METHODS.get(name) if package == b"/test.Echo" else None
        return known or Echo(UnknownStream)


def settings_of(words: list[str]) -> EngineSettings:
    defaults = EngineSettings(port=int(words[0]), drain_moment=0.2)
    given = dict(each.split("=", 1) for each in words[1:])
    types = {each.name: type(getattr(defaults, each.name)) for each in dataclasses.fields(defaults)}
    return dataclasses.replace(defaults, **{name: types[name](v) for name, v in given.items()})


async def main() -> None:
    settings = settings_of(sys.argv[1:])
    ends = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ends.set)
    server = HttpServer(settings, Router(Registry()), speaks=GrpcAlone(EchoRoutes()))
    address = server.bind()
    await server.listen()
    gc.freeze()
    print(address.partition("://")[2], flush=True)
    await ends.wait()
    await server.drain(5.0, settings.drain_moment)
    server.close()


if __name__ == "__main__":
    uvloop.run(main())
