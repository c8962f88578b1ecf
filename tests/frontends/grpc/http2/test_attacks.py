"""
Attacks of one client: what they may cost the server, and that others are served meanwhile.

Each sends far more than a client that means well; the limits below are on processor time and
memory of the server for all of it. CVEs are named where an attack became known by one.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest
from frontends.grpc.http2.flooding import flood
from frontends.grpc.http2.raw_client import (
    ACK,
    END_HEADERS,
    LATE,
    PADDED,
    PREFACE,
    SIZE,
    STREAM,
    Kind,
    RawClient,
    Setting,
    block,
    call,
    data,
    frame,
    headers,
    integer,
    literal,
    message,
    ping,
    request,
    reset,
    settings,
    u32,
    window_update,
)
from frontends.grpc.http2.running_echo import RunningEcho

pytestmark = pytest.mark.medium

MIB = 2**20
CPU_S = 2.0
"""Of the server, for one attack: 0.4 s were measured for the longest; machines differ."""
GROWTH_MIB = 24.0
"""Of the server's memory; streams and tables of one connection take less."""
OTHERS_S = 4.0
"""What another client waits for an answer at the most: 0.3 s were seen on a quiet machine."""

BLOCK = block()
HEAD = headers(BLOCK)


class Attack(NamedTuple):
    """Pieces of one connection, and how it behaves otherwise."""

    pieces: Callable[[], Iterator[bytes]]
    pairs: tuple[tuple[int, int], ...] = ()
    reads: bool = True


def again(piece: bytes, count: int, *, first: bytes = b"") -> Callable[[], Iterator[bytes]]:
    """Return what yields `first` and then a piece, so many times, a thousand at a time."""

    def pieces() -> Iterator[bytes]:
        yield first
        for _ in range(count // 1000):
            yield piece * 1000

    return pieces


def each_stream(make: Callable[[int], bytes], count: int) -> Callable[[], Iterator[bytes]]:
    """Return what yields the frames of streams 1, 3, 5, ..., a hundred at a time."""

    def pieces() -> Iterator[bytes]:
        for begin in range(0, count, 100):
            yield b"".join(make(2 * number + 1) for number in range(begin, begin + 100))

    return pieces


def unknown_frame_in_bytes() -> Iterator[bytes]:
    """A frame of a megabyte that no version of HTTP/2 has, whose end comes byte by byte."""
    yield frame(0xBE, 0, 0, bytes(2**20))[:-100_000]
    for _ in range(20_000):
        yield b"x"


def hpack_bomb() -> Iterator[bytes]:
    """One entry of 4,000 bytes, and blocks of 16,000 references to it: 64 MB each."""
    entry = literal(b"a", b"v" * 3900, 0x40)
    yield headers(BLOCK + entry, end=True)
    for number in range(1, 200):
        yield headers(BLOCK + b"\xbe" * 16000, 2 * number + 1, end=True)


def huffman_bomb() -> Iterator[bytes]:
    """Strings of five-bit codes, which grow by 8/5, in blocks of 16 KB."""
    field = b"\0\x01a" + integer(16000, 7, 0x80) + bytes(16000)
    for number in range(200):
        yield headers(field, 2 * number + 1, end=True)


EMPTY_FIELD = b"\0\x01a\0"
ATTACKS = {
    "rapid reset, CVE-2023-44487": Attack(
        each_stream(lambda stream: headers(BLOCK, stream) + reset(stream), 30_000)
    ),
    "calls reset in flight": Attack(each_stream(lambda s: call(stream=s) + reset(s), 30_000)),
    "resets that bad frames provoke, CVE-2025-8671": Attack(
        each_stream(lambda stream: headers(BLOCK, stream) + window_update(0, stream), 30_000)
    ),
    "malformed calls": Attack(
        each_stream(lambda stream: headers(BLOCK + literal(b"A", b""), stream), 30_000)
    ),
    "endless CONTINUATION, CVE-2024-27316": Attack(
        lambda: iter(
            [frame(Kind.HEADERS, 0, 1, BLOCK)]
            + [frame(Kind.CONTINUATION, 0, 1, EMPTY_FIELD * 4000)] * 2000
        )
    ),
    "CONTINUATION without content": Attack(
        again(frame(Kind.CONTINUATION, 0, 1), 200_000, first=frame(Kind.HEADERS, 0, 1, BLOCK))
    ),
    "PING, CVE-2019-9512": Attack(again(ping(), 300_000)),
    "PING, answers unread": Attack(again(ping(), 300_000), reads=False),
    "SETTINGS, CVE-2019-9515": Attack(again(settings((4, 65535)), 200_000)),
    "SETTINGS, answers unread": Attack(again(settings(), 200_000), reads=False),
    "acknowledgements": Attack(again(frame(Kind.SETTINGS, 1), 200_000)),
    "PRIORITY, CVE-2019-9513": Attack(again(frame(Kind.PRIORITY, 0, 1, bytes(5)), 200_000)),
    "unknown frames": Attack(again(frame(0xBE, 0, 0), 300_000)),
    "WINDOW_UPDATE of the connection": Attack(again(window_update(1), 200_000)),
    "WINDOW_UPDATE of a stream": Attack(again(window_update(1, 1), 200_000, first=HEAD)),
    "WINDOW_UPDATE of a stream that was reset": Attack(
        again(window_update(1, 1), 200_000, first=HEAD + reset())
    ),
    "RST_STREAM of a stream that was reset": Attack(again(reset(), 200_000, first=HEAD + reset())),
    "empty DATA, CVE-2019-9518": Attack(again(data(b""), 300_000, first=HEAD)),
    "DATA byte by byte": Attack(
        again(data(b"x"), 200_000, first=HEAD + data(b"\0" + u32(60 * MIB)))
    ),
    "DATA of padding alone": Attack(
        again(frame(Kind.DATA, PADDED, 1, b"\xff" + bytes(255)), 60_000, first=HEAD)
    ),
    "DATA on a stream that was reset": Attack(
        again(data(bytes(100)), 100_000, first=HEAD + reset())
    ),
    "an unknown frame in bytes": Attack(unknown_frame_in_bytes),
    "HPACK bomb": Attack(hpack_bomb),
    "Huffman bomb": Attack(huffman_bomb),
    "blocks of 4,000 fields": Attack(
        each_stream(lambda stream: headers(BLOCK + EMPTY_FIELD * 4000, stream, end=True), 300)
    ),
    "insertions without end": Attack(
        each_stream(
            lambda stream: headers(
                BLOCK + literal(b"a", b"%d" % stream, 0x40) * 100, stream, end=True
            ),
            3000,
        )
    ),
    "streams left open": Attack(
        each_stream(lambda stream: headers(BLOCK, stream) + data(b"\0\0", stream), 20_000)
    ),
    "answers behind a window of nothing": Attack(
        each_stream(lambda stream: call(bytes(10_000), stream), 3000),
        pairs=((Setting.INITIAL_WINDOW_SIZE, 0),),
    ),
    "a window that opens by bytes, CVE-2019-9511": Attack(
        again(window_update(1, 1), 10_000, first=call(bytes(10_000))),
        pairs=((Setting.INITIAL_WINDOW_SIZE, 0),),
    ),
    "windows of all streams that SETTINGS change": Attack(
        lambda: iter(
            [b"".join(call(stream=2 * n + 1) for n in range(1000))]
            + [settings((4, 1)) + settings((4, 0))] * 3000
        ),
        pairs=((Setting.INITIAL_WINDOW_SIZE, 0),),
    ),
    "windows of many streams that open by bytes": Attack(
        lambda: iter(
            [b"".join(call(bytes(100), 2 * n + 1) for n in range(1000))]
            + [b"".join(window_update(1, 2 * n + 1) for n in range(1000))] * 9
        ),
        pairs=((Setting.INITIAL_WINDOW_SIZE, 0),),
    ),
    "messages whose answers are not taken": Attack(
        again(data(message(bytes(1000)) * 15), 20_000, first=headers(request(path=STREAM))),
        pairs=((Setting.INITIAL_WINDOW_SIZE, 0),),
    ),
    "messages of nothing": Attack(
        again(data(message(b"") * 3000), 2000, first=headers(request(path=STREAM)))
    ),
    "answers unread": Attack(
        each_stream(lambda stream: call(bytes(1000), stream), 30_000), reads=False
    ),
}


def others_wait(address: tuple[str, int]) -> float:
    """Return how long another client waits for an answer, its connection included."""
    began = time.monotonic()
    with RawClient(address) as client:
        client.send(call())
        assert client.read_until(lambda: client.has_ended(1))
        assert client.payload() == message()
    return time.monotonic() - began


class Costs:
    """What the server has spent since this was made."""

    def __init__(self, echo: RunningEcho) -> None:
        others_wait(echo.address)
        self._echo = echo
        self._cpu_s, self._memory_mib = echo.cpu_s, echo.memory_mib
        self.peak_mib = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def stop(self) -> str:
        """Return what was spent, and fail where that is too much."""
        self._over.set()
        self._thread.join()
        cpu_s = self._echo.cpu_s - self._cpu_s
        said = f"{cpu_s:.2f} s of processor time, {self.peak_mib:+.1f} MiB"
        assert cpu_s < CPU_S, said
        return said

    def _watch(self) -> None:
        while not self._over.wait(0.01):
            self.peak_mib = max(self.peak_mib, self._echo.memory_mib - self._memory_mib)


@pytest.fixture(scope="module")
def echo() -> Iterator[RunningEcho]:
    running = RunningEcho(max_buffered=64 * MIB, max_body=64 * MIB)
    yield running
    running.stop()


@pytest.mark.parametrize("name", ATTACKS)
def test_attack(echo: RunningEcho, name: str) -> None:
    attack = ATTACKS[name]
    costs = Costs(echo)
    waits: list[float] = []
    flooding = threading.Thread(
        target=lambda: flood(echo.address, attack.pieces(), pairs=attack.pairs, reads=attack.reads)
    )
    flooding.start()
    while flooding.is_alive():
        waits.append(others_wait(echo.address))
        flooding.join(0.05)
    waits.append(others_wait(echo.address))
    print(f"{costs.stop()}, others waited {max(waits):.3f} s")
    assert costs.peak_mib < GROWTH_MIB
    assert max(waits) < OTHERS_S
    assert echo.process.poll() is None


def half_messages(streams: int, size: int) -> Iterator[bytes]:
    """Yield the first `size` bytes of a message on each stream."""
    for number in range(streams):
        stream = 2 * number + 1
        yield headers(BLOCK, stream) + data(b"\0" + u32(2 * size), stream)
        for _ in range(size // 16384):
            yield data(bytes(16384), stream)


def test_messages_that_are_sent_by_half_are_bounded_by_the_budget(
    start_echo: Callable[..., RunningEcho],
) -> None:
    """400 streams with half a megabyte each, 200 MB, where 32 MiB may be held"""
    limit = 32 * MIB
    echo = start_echo(max_buffered=limit, max_body=8 * MIB)
    costs = Costs(echo)
    ended = flood(echo.address, half_messages(400, 512 * 1024))
    print(costs.stop(), ended.end)
    assert costs.peak_mib < limit / MIB + GROWTH_MIB
    assert others_wait(echo.address) < OTHERS_S


def test_what_was_held_is_given_back(start_echo: Callable[..., RunningEcho]) -> None:
    """Six times the budget, one connection after the other: the last finds as much room"""
    echo = start_echo(max_buffered=8 * MIB, max_body=4 * MIB)
    for _ in range(6):
        flood(echo.address, half_messages(16, 512 * 1024))
    with RawClient(echo.address) as client:
        body = message(bytes(3 * MIB))
        client.send(headers(request(path=SIZE)))
        for start in range(0, len(body), 16384):
            client.send(data(body[start : start + 16384], end=start + 16384 >= len(body)))
        assert client.read_until(lambda: client.has_ended(1))
        assert client.payload() == message(b"%d" % (3 * MIB))


@pytest.mark.parametrize(
    "sent",
    [PREFACE[:14], PREFACE, PREFACE + settings() + frame(Kind.HEADERS, 0, 1, BLOCK[:20])],
    ids=["half a preface", "no settings", "half a header block"],
)
def test_slow_beginnings_are_ended(start_echo: Callable[..., RunningEcho], sent: bytes) -> None:
    echo = start_echo(head_timeout=0.3)
    with RawClient(echo.address, greet=False) as client:
        client.send(sent)
        client.read_to_end()


@pytest.mark.parametrize(
    "fields",
    [request(), request((b"grpc-timeout", b"99999999H")), request(path=STREAM)],
    ids=["without a deadline", "with a deadline of years", "on a stream of messages"],
)
def test_a_message_that_does_not_go_on_is_ended(
    start_echo: Callable[..., RunningEcho], fields: list[tuple[bytes, bytes]]
) -> None:
    echo = start_echo(head_timeout=0.3)
    with RawClient(echo.address) as client:
        client.send(headers(fields), data(message()[:7]))
        assert client.read_until(lambda: client.has_ended(1))
        assert client.fields()[b"grpc-status"] == b"4"


def test_a_stream_of_messages_may_be_silent(start_echo: Callable[..., RunningEcho]) -> None:
    """Between two messages, for longer than a message may take"""
    echo = start_echo(head_timeout=0.3)
    with RawClient(echo.address) as client:
        client.send(headers(request(path=STREAM)), data(message()), headers(stream=3))
        assert client.read_until(lambda: client.has_ended(3))  # it has waited too long
        client.send(data(message(), end=True))
        assert client.read_until(lambda: client.has_ended(1))
        assert client.payload() == message() * 2


def test_a_client_that_waits_is_asked_whether_it_is_there(
    start_echo: Callable[..., RunningEcho],
) -> None:
    """Its calls may last for days, so only one whose machine has gone does not answer a PING"""
    echo = start_echo(idle_timeout=0.3, head_timeout=0.3)
    with RawClient(echo.address) as client, RawClient(echo.address) as silent:
        for each in (client, silent):
            each.send(headers(request(path=STREAM)))
        assert client.read_until(lambda: client.of(Kind.PING))
        client.send(frame(Kind.PING, ACK, 0, client.of(Kind.PING)[0].payload))
        assert silent.read_until(lambda: silent.of(Kind.PING))
        silent.read_to_end()
        client.send(data(message(), end=True))
        assert client.read_until(lambda: client.has_ended(1))
        assert client.payload() == message()


def test_calls_that_their_client_gives_up_are_no_flood(address: tuple[str, int]) -> None:
    """1,000 at a time, a dozen frames each, as where deadlines expire"""
    given_up = b"".join(
        headers(request(path=LATE), number)
        + data(message(), number, end=True)
        + (window_update(5, number) + window_update(5) + ping()) * 4
        + reset(number)
        for number in range(1, 2001, 2)
    )
    with RawClient(address) as client:
        client.send(given_up)
        client.send(call(stream=3001))
        assert client.read_until(lambda: client.has_ended(3001))
        assert not client.of(Kind.GOAWAY)


def test_an_answer_that_is_not_taken_is_given_up(start_echo: Callable[..., RunningEcho]) -> None:
    echo = start_echo(send_timeout=0.3)
    with RawClient(echo.address, (Setting.INITIAL_WINDOW_SIZE, 0)) as client:
        client.send(call())
        client.read_until(lambda: client.of(Kind.RST_STREAM, 1))
        assert client.closed or client.of(Kind.RST_STREAM, 1)


def test_a_block_that_does_not_end_is_bounded(start_echo: Callable[..., RunningEcho]) -> None:
    """In one frame: more is announced than a block may have, and it never comes"""
    echo = start_echo(head_timeout=0.3)
    with RawClient(echo.address) as client:
        client.send(frame(Kind.HEADERS, END_HEADERS, 1, bytes(16000))[:8000])
        client.read_to_end()
