"""Connections of a port that speaks HTTP/1.1 and gRPC, until they have said which they speak."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

import pytest
from frontends.grpc.http2.raw_client import Code, Kind, RawClient, call
from frontends.grpc.http2.running_echo import EchoInThread

from eas_processor.contracts.settings import EngineSettings
from eas_processor.frontends.http.connection import REFUSED_AT_ONCE

WAIT_S = 60


@contextlib.contextmanager
def running(**settings: float) -> Iterator[EchoInThread]:
    echo = EchoInThread(EngineSettings(port=0, **settings))  # type: ignore[arg-type]
    try:
        yield echo
    finally:
        echo.stop()


def is_closed(client: socket.socket) -> bool:
    """Whether the server closes, without a word."""
    with contextlib.suppress(ConnectionResetError):
        return not client.recv(1)
    return True


def test_a_client_of_grpc_that_is_one_too_many_is_told() -> None:
    with running(max_connections=1) as echo, RawClient(echo.address) as first:
        first.send(call())
        assert first.read_until(lambda: first.has_ended(1))
        with RawClient(echo.address) as second:
            assert second.read_until(lambda: second.of(Kind.GOAWAY))
            assert second.of(Kind.GOAWAY)[0].number == Code.ENHANCE_YOUR_CALM
        first.send(call(stream=3))
        assert first.read_until(lambda: first.has_ended(3))


def test_silent_clients_are_counted() -> None:
    """Each takes a descriptor, whatever it is about to speak"""
    with running(max_connections=1) as echo, contextlib.ExitStack() as silent:

        def connect() -> socket.socket:
            return silent.enter_context(socket.create_connection(echo.address, WAIT_S))

        for _ in range(1 + REFUSED_AT_ONCE):
            connect()
        assert is_closed(connect())


@pytest.mark.parametrize(("said", "limit"), [(b"", "idle_timeout"), (b"PR", "head_timeout")])
def test_a_client_that_does_not_tell_is_left(said: bytes, limit: str) -> None:
    with running(**{limit: 0.1}) as echo, socket.create_connection(echo.address, WAIT_S) as client:
        client.sendall(said)
        assert is_closed(client)
