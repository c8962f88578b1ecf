"""The end of connections: GOAWAY both ways (RFC 9113, 6.8), idle connections, and SIGTERM."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from frontends.grpc.http2.raw_client import (
    ACK,
    LARGEST_WINDOW,
    LATE,
    Code,
    Frame,
    Kind,
    RawClient,
    call,
    data,
    frame,
    headers,
    message,
    ping,
    request,
)
from frontends.grpc.http2.running_echo import RunningEcho

EXIT_S = 60


def last_stream(goaway: Frame) -> int:
    return int.from_bytes(goaway.payload[:4], "big") & LARGEST_WINDOW


def answer_pings(client: RawClient) -> None:
    """Acknowledge the PINGs that have come."""
    for each in client.of(Kind.PING):
        client.send(frame(Kind.PING, ACK, 0, each.payload))


def test_sigterm_ends_connections_without_a_lost_call(
    start_echo: Callable[..., RunningEcho],
) -> None:
    """Two GOAWAYs: what a client sends before it has heard of the first one is answered still"""
    echo = start_echo()
    with RawClient(echo.address) as client:
        client.send(call(b"in flight", 1, path=LATE), headers(request(path=LATE), 3), ping())
        client.read_until(lambda: client.of(Kind.PING))
        client.frames.clear()
        echo.terminate()
        client.read_until(lambda: client.of(Kind.GOAWAY))
        first = client.of(Kind.GOAWAY)[0]
        assert (last_stream(first), first.number) == (LARGEST_WINDOW, Code.NO_ERROR)
        client.send(data(message(b"its rest"), 3, end=True))
        client.send(call(b"crossing", 5))
        client.read_until(lambda: client.of(Kind.PING))
        answer_pings(client)
        client.read_to_end()
        said = {stream: client.payload(stream) for stream in (1, 3, 5)}
        assert said == {1: message(b"in flight"), 3: message(b"its rest"), 5: message(b"crossing")}
        last = client.of(Kind.GOAWAY)[-1]
        assert (last_stream(last), last.number) == (5, Code.NO_ERROR)
    assert echo.process.wait(EXIT_S) == 0


def test_sigterm_ends_a_connection_without_calls(start_echo: Callable[..., RunningEcho]) -> None:
    echo = start_echo()
    with RawClient(echo.address) as client:
        client.send(call())
        client.read_until(lambda: client.has_ended(1))
        echo.terminate()
        client.read_until(lambda: client.of(Kind.PING))
        answer_pings(client)
        client.read_to_end()
        assert {each.number for each in client.of(Kind.GOAWAY)} == {Code.NO_ERROR}
    assert echo.process.wait(EXIT_S) == 0


@pytest.mark.medium
def test_sigterm_does_not_wait_for_a_client_that_says_nothing(
    start_echo: Callable[..., RunningEcho],
) -> None:
    """Its PING is never acknowledged"""
    echo = start_echo()
    with RawClient(echo.address) as client:
        client.send(call())
        client.read_until(lambda: client.has_ended(1))
        echo.terminate()
        assert echo.process.wait(EXIT_S) == 0


def test_an_idle_connection_ends_with_goaway(start_echo: Callable[..., RunningEcho]) -> None:
    echo = start_echo(idle_timeout=0.3)
    with RawClient(echo.address) as client:
        client.send(call())
        client.read_to_end()
        assert client.payload() == message()
        (goaway,) = client.of(Kind.GOAWAY)
        assert (last_stream(goaway), goaway.number) == (1, Code.NO_ERROR)


def test_a_client_that_goes_away_is_left_once_it_has_its_answers(address: tuple[str, int]) -> None:
    with RawClient(address) as client:
        client.send(call(path=LATE), frame(Kind.GOAWAY, 0, 0, bytes(8)))
        client.end()
        client.read_to_end()
        assert client.payload() in (message(), b"")  # it has closed its side: it may not wait


def test_a_client_that_leaves_in_the_middle_is_forgotten(address: tuple[str, int]) -> None:
    for sent in (b"", headers(), headers() + data(message()[:7]), call(path=LATE)):
        with RawClient(address) as client:
            client.send(sent)
    with RawClient(address) as client:
        client.send(call())
        assert client.read_until(lambda: client.has_ended(1))
