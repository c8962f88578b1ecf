import json
import os
import socket
import threading
from array import array

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eas_processor.link.blocking import DescriptorReader, FrameReader, introduce
from eas_processor.link.frames import (
    EAS_JSON,
    HEAD,
    HEAD_SIZE,
    HELLO,
    LINK_VERSION,
    PREDICT,
    LinkError,
)

BUFFER = 256 * 1024
TIMEOUT_S = 30.0


def frame(number, payload):
    return HEAD.pack(len(payload), PREDICT, EAS_JSON, 2, number, 1.5) + payload


def body(size):
    return (bytes(bytearray(range(251))) * (size // 251 + 1))[:size]


class Pipe:
    """A socket pair whose sending end has a thread of its own."""

    def __init__(self):
        self.ours, self.theirs = socket.socketpair()
        self.theirs.settimeout(TIMEOUT_S)
        self._sender = None

    def send(self, data, last=False):
        """Send without waiting for a reader; close after what is `last`."""

        def run():
            self.ours.sendall(data)
            if last:
                self.ours.shutdown(socket.SHUT_WR)

        self._sender = threading.Thread(target=run)
        self._sender.start()

    def close(self):
        self.theirs.close()
        if self._sender is not None:
            self._sender.join()
        self.ours.close()


@pytest.fixture
def pipe():
    pipe = Pipe()
    yield pipe
    pipe.close()


def read(reader, count):
    """Read `count` frames and return their numbers and payloads."""
    frames = []
    while len(frames) < count:
        frames += reader.read()
    for kind, codec, status, _, deadline, _ in frames:
        assert (kind, codec, status, deadline) == (PREDICT, EAS_JSON, 2, 1.5)
    return [(frame[3], bytes(frame[5])) for frame in frames]


@pytest.mark.parametrize(
    "size",
    [0, 1, 3000, BUFFER - HEAD_SIZE - 1, BUFFER - HEAD_SIZE, BUFFER - HEAD_SIZE + 1]
    + [BUFFER, BUFFER + 1, 5 * 1024 * 1024 + 7],
)
def test_a_payload_of_any_size_arrives_whole_between_small_ones(pipe, size):
    pipe.send(frame(1, b"before") + frame(2, body(size)) + frame(3, b"after"))
    assert read(FrameReader(pipe.theirs), 3) == [(1, b"before"), (2, body(size)), (3, b"after")]


def test_a_burst_larger_than_the_buffer_arrives_whole(pipe):
    bodies = [(number, body(3000 + number)) for number in range(400)]
    pipe.send(b"".join(frame(*each) for each in bodies))
    assert read(FrameReader(pipe.theirs), 400) == bodies


def test_a_burst_is_read_with_one_call(pipe):
    pipe.ours.sendall(frame(1, b"one") + frame(2, b"two") + frame(3, b""))
    assert len(FrameReader(pipe.theirs).read()) == 3


def test_two_large_payloads_do_not_share_memory(pipe):
    pipe.send(frame(1, b"a" * 2 * BUFFER) + frame(2, b"b" * 2 * BUFFER))
    reader = FrameReader(pipe.theirs)
    frames = []
    while len(frames) < 2:
        frames += reader.read()
    assert bytes(frames[0][5]) == b"a" * 2 * BUFFER
    assert bytes(frames[1][5]) == b"b" * 2 * BUFFER


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.binary(max_size=100), min_size=1, max_size=6),
    st.lists(st.integers(1, 700), max_size=10),
)
def test_any_cut_of_a_stream_gives_the_same_frames(payloads, places):
    data = b"".join(frame(number, payload) for number, payload in enumerate(payloads))
    places = sorted(place % len(data) for place in places)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        reader, frames = FrameReader(theirs), []
        for start, end in zip([0] + places, places + [len(data)]):
            ours.sendall(data[start:end])
            frames += reader.read_arrived()
    assert [(each[3], bytes(each[5])) for each in frames] == list(enumerate(payloads))


def test_what_has_not_arrived_is_not_waited_for(pipe):
    pipe.theirs.settimeout(None)
    reader = FrameReader(pipe.theirs)
    assert reader.read_arrived() == []
    whole = frame(1, b"payload")
    pipe.ours.sendall(whole[:-1])
    assert reader.read_arrived() == []
    pipe.ours.sendall(whole[-1:] + whole)
    assert [each[3] for each in reader.read_arrived()] == [1, 1]


@pytest.mark.parametrize("sent", [b"", frame(1, b"cut off")[:-2], frame(1, body(3 * BUFFER))[:-1]])
def test_a_link_that_is_closed_is_an_error(pipe, sent):
    pipe.send(sent, last=True)
    with pytest.raises(LinkError, match="the link was closed"):
        FrameReader(pipe.theirs).read()


def test_a_closed_link_is_an_error_to_who_does_not_wait_too(pipe):
    pipe.ours.close()
    with pytest.raises(LinkError):
        FrameReader(pipe.theirs).read_arrived()


def test_what_came_before_the_close_is_read_first(pipe):
    pipe.ours.sendall(frame(1, b"last"))
    pipe.ours.close()
    reader = FrameReader(pipe.theirs)
    assert read(reader, 1) == [(1, b"last")]
    with pytest.raises(LinkError):
        reader.read()


def test_a_process_introduces_itself(pipe):
    introduce(pipe.ours, forks=True)
    kind, _, _, _, _, payload = FrameReader(pipe.theirs).read()[0]
    assert kind == HELLO
    facts = {"link": LINK_VERSION, "pid": os.getpid(), "forks": True}
    assert json.loads(payload.decode()) == facts


def test_where_the_engine_is_gone_an_introduction_says_so(pipe):
    pipe.theirs.close()
    with pytest.raises(LinkError, match="the engine is gone: Broken pipe"):
        introduce(pipe.ours)


def send_sockets(sock, data, *sockets):
    rights = array("i", [each.fileno() for each in sockets])
    sock.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)] if sockets else [])


@pytest.mark.parametrize("piece", [1, 7, 1000])
def test_descriptors_come_with_their_frames(pipe, piece):
    pairs = [socket.socketpair() for _ in range(3)]
    first, second = frame(2, b"x" * 50), frame(3, b"y")
    send_sockets(pipe.ours, first[:piece], pairs[0][1], pairs[1][1])
    for start in range(piece, len(first), piece):
        pipe.ours.sendall(first[start : start + piece])
    send_sockets(pipe.ours, second, pairs[2][1])
    reader = DescriptorReader(pipe.theirs)
    frames = []
    while len(frames) < 2:
        frames += reader.read()
    assert [b"".join(each[-1]) for each in frames] == [b"x" * 50, b"y"]
    taken = reader.take(2) + reader.take(1)
    for (ours, other), received in zip(pairs, taken):
        received.sendall(b"here")
        assert ours.recv(10) == b"here"
        for each in (ours, other, received):
            each.close()


def test_descriptors_that_are_missing_are_an_error(pipe):
    pipe.ours.sendall(frame(2, b""))
    reader = DescriptorReader(pipe.theirs)
    reader.read()
    with pytest.raises(LinkError, match="a socket from the engine was lost"):
        reader.take(4)


def test_the_end_of_a_link_with_descriptors(pipe):
    pipe.ours.close()
    with pytest.raises(LinkError, match="closed"):
        DescriptorReader(pipe.theirs).read()
