"""`grpc.reflection.v1` and `v1alpha`, which differ only in their names."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import TYPE_CHECKING

from eas_processor.contracts.refusals import BadRequest, NotFound, Refusal
from eas_processor.frontends.grpc.http2.head import StreamHead
from eas_processor.frontends.grpc.http2.stream import Method, Stream
from eas_processor.frontends.grpc.open_streams import OpenStream, OpenStreams
from eas_processor.frontends.grpc.reflection import grpc_files, serving_files, tensorflow_files
from eas_processor.frontends.grpc.reflection.descriptors import Descriptors
from eas_processor.frontends.grpc.statuses import STATUSES
from eas_processor.frontends.grpc.wire import (
    LENGTH,
    MalformedError,
    fields,
    length_field,
    number_field,
    text_field,
)

if TYPE_CHECKING:
    from eas_processor.frontends.grpc.http2.connection import Http2Connection

_PATHS = (
    b"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    b"/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
)
# Fields of the messages
_HOST, _FILE, _SYMBOL, _EXTENSION, _EXTENSIONS, _LIST = 1, 3, 4, 5, 6, 7
_QUESTIONS = (_FILE, _SYMBOL, _EXTENSION, _EXTENSIONS, _LIST)
_VALID_HOST, _ORIGINAL, _FILES, _SERVICES, _ERROR = 1, 2, 4, 6, 7

Served = Callable[[], Iterable[str]]
"""Returns the full names of the services that answer."""


def reflection_methods(served: Served, streams: OpenStreams) -> dict[bytes, Method]:
    """Return the methods by path; `streams` checks the open streams."""
    return dict.fromkeys(_PATHS, _ReflectionMethod(served, streams))


class _ReflectionMethod:
    """The method of the service."""

    def __init__(self, served: Served, streams: OpenStreams) -> None:
        self._served = served
        self.streams = streams

    def open(
        self, connection: Http2Connection, stream_id: int, head: StreamHead, now: float
    ) -> Stream:
        stream = _ReflectionStream(self, connection, stream_id, head, now)
        self.streams.add(stream)
        return stream

    def answer(self, message: bytes) -> bytes:
        """Return the `ServerReflectionResponse` to a request. Raises BadRequest."""
        host, question, asked = _read(message)
        try:
            answer = self._answer_to(question, asked.decode(errors="replace"))
        except Refusal as refusal:
            error = number_field(1, STATUSES[refusal.code]) + text_field(2, str(refusal))
            answer = length_field(_ERROR, error)
        return text_field(_VALID_HOST, host) + length_field(_ORIGINAL, message) + answer

    def _answer_to(self, question: int, asked: str) -> bytes:
        if question == _LIST:
            names = sorted(set(self._served()) & set(_descriptors().services))
            services = (length_field(1, text_field(1, each)) for each in names)
            return length_field(_SERVICES, b"".join(services))
        if question not in (_FILE, _SYMBOL):
            raise NotFound("the services have no extensions")
        path = asked if question == _FILE else _descriptors().symbols.get(asked, "")
        try:
            files = _descriptors().files(path)
        except KeyError:
            what = "file" if question == _FILE else "symbol"
            raise NotFound(f"there is no {what} {asked[:200]}") from None
        return length_field(_FILES, b"".join(length_field(1, each) for each in files))


class _ReflectionStream(OpenStream):
    """A stream of requests, each of which is answered at once."""

    __slots__ = ()
    method: _ReflectionMethod

    def message(self, data: bytes, now: float) -> None:
        try:
            self.send(self.method.answer(data))
        except BadRequest as refusal:
            self.refuse(refusal)

    def half_closed(self, now: float) -> None:
        self.finish()


@cache
def _descriptors() -> Descriptors:
    """Return the descriptors of all files, which take 3 ms to make at the first request."""
    return Descriptors(tensorflow_files.FILES + serving_files.FILES + grpc_files.FILES)


def _read(message: bytes) -> tuple[str, int, bytes]:
    """Return the host of a request, and the field and value of its question. Raises BadRequest."""
    host, question, asked = "", 0, b""
    try:
        for number, kind, start, stop in fields(message):
            if kind != LENGTH:
                continue
            if number == _HOST:
                host = message[start:stop].decode()
            elif number in _QUESTIONS:
                question, asked = number, message[start:stop]
    except (MalformedError, UnicodeDecodeError) as error:
        raise BadRequest(f"the message cannot be read: {error}") from None
    if not question:
        raise BadRequest("the message has no request, expected one such as list_services")
    return host, question, asked
