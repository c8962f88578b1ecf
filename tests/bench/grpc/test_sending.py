from __future__ import annotations

from eas_processor.bench.grpc import frames
from eas_processor.bench.grpc.call import Call, build_calls
from eas_processor.bench.grpc.sending import Sending
from eas_processor.bench.target import parse_url


class Sent:
    """What was written, as frames."""

    def __init__(self) -> None:
        self.raw = b""

    def frames(self) -> list[tuple[int, int, int, int]]:
        """Return and forget kind, flags, stream and size of each frame."""
        raw, self.raw, found = self.raw, b"", []
        while raw:
            high, low, kind, flags, stream = frames.HEAD.unpack_from(raw)
            found.append((kind, flags, stream, high << 16 | low))
            raw = raw[frames.HEAD_SIZE + found[-1][3] :]
        return found

    def write(self, data: bytes) -> None:
        self.raw += data


def call(size: int) -> Call:
    return build_calls(parse_url("grpc://host/m"), [bytes(size - 5)])[0]


def data(sent: Sent) -> list[tuple[int, int, int]]:
    return [
        (stream, size, flags) for kind, flags, stream, size in sent.frames() if kind == frames.DATA
    ]


def test_a_small_call_is_two_frames() -> None:
    sent = Sent()
    Sending(sent.write).send(5, call(100))
    (headers, body) = sent.frames()
    assert headers[:3] == (frames.HEADERS, frames.END_HEADERS, 5)
    assert body == (frames.DATA, frames.END_STREAM, 5, 100)


def test_the_connection_s_window_bounds_what_is_sent() -> None:
    sent = Sent()
    sending = Sending(sent.write)
    sending.send(1, call(frames.WINDOW - 10))
    assert sum(size for _, size, _ in data(sent)) == frames.WINDOW - 10
    sending.send(3, call(100))
    assert data(sent) == [(3, 10, 0)]
    sending.grow(0, 50)
    assert data(sent) == [(3, 50, 0)]
    sending.grow(0, 1000)
    assert data(sent) == [(3, 40, frames.END_STREAM)]


def test_a_stream_s_window_bounds_it_alone() -> None:
    sent = Sent()
    sending = Sending(sent.write)
    sending.allow(20, None)
    sending.send(1, call(30))
    sending.send(3, call(15))
    assert data(sent) == [(1, 20, 0), (3, 15, frames.END_STREAM)]
    sending.grow(1, 5)
    sending.allow(22, None)
    assert data(sent) == [(1, 5, 0), (1, 2, 0)]
    sending.grow(1, 100)
    assert data(sent) == [(1, 3, frames.END_STREAM)]


def test_messages_that_wait_take_turns() -> None:
    sent = Sent()
    sending = Sending(sent.write)
    sending.allow(1 << 20, None)
    sending.grow(0, 1 << 20)
    sending.grow(0, -frames.WINDOW - (1 << 20))
    sending.send(1, call(30_000))
    sending.send(3, call(20_000))
    sending.grow(0, 1 << 20)
    assert [stream for stream, _, _ in data(sent)] == [1, 3, 1, 3]


def test_a_dropped_message_is_not_sent_on() -> None:
    sent = Sent()
    sending = Sending(sent.write)
    sending.allow(10, None)
    sending.send(1, call(30))
    assert sending.drop(1) and not sending.drop(1)
    data(sent)
    sending.grow(1, 100)
    assert data(sent) == []
