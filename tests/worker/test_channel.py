"""One channel over socket pairs, with a processor and a clock that the test controls."""

import queue
import socket
import threading

import pytest

from eas_processor.link.blocking import FrameReader
from eas_processor.link.codes import CANCELLED, DEADLINE_EXCEEDED, OK, TOO_LARGE
from eas_processor.link.frames import (
    ARRAY_PROTO,
    BULK_SIZE,
    CANCEL,
    EAS_JSON,
    HEAD,
    PREDICT,
    REPLY,
    RUN_TIMES,
    TIMES,
)
from eas_processor.worker import channel as channel_module
from eas_processor.worker.channel import Channel, Outlet

TIMEOUT_S = 30.0
SHORT_S, LONG_S = 0.0001, 0.1


class Clock:
    """Stands in for the `time` module; a run lasts as long as the processor says."""

    def __init__(self):
        self.now = 1000.0
        self.run_s = SHORT_S

    def monotonic(self):
        return self.now

    def perf_counter(self):
        # Read at the start and at the end of each run.
        self.now += self.run_s
        return self.now


class Processor:
    """Records what it runs; with `hold` each run waits until `let_go` lets it end."""

    def __init__(self):
        self.runs = queue.Queue()
        self.threads = set()
        self.codecs = []
        self.rows = []
        self._gate = None

    def hold(self):
        self._gate = threading.Semaphore(0)

    def let_go(self, runs=100):
        for _ in range(runs if self._gate else 0):
            self._gate.release()

    def process(self, request, codec):
        return self.batch_process([request], [codec])[0]

    def batch_process(self, requests, codecs):
        self.threads.add(threading.get_ident())
        self.codecs += codecs
        self.runs.put([bytes(request) for request in requests])
        if self._gate is not None:
            self._gate.acquire(timeout=TIMEOUT_S)
        return [(OK, bytes(request[:16]) * (BULK_SIZE // 8)) for request in requests]

    def take_times(self, requests, seconds):
        return self.rows or [requests], 0.0, seconds, 0.0

    def next_run(self):
        return self.runs.get(timeout=TIMEOUT_S)


class Peer:
    """The engine's ends of a data and a bulk socket."""

    def __init__(self, processor, threads, batch_size, batch_wait, is_bulk=False):
        self.data, data = socket.socketpair()
        self.bulk, bulk = socket.socketpair()
        self._sockets = [self.data, self.bulk, data, bulk]
        self._readers = {}
        for name, sock in (("data", self.data), ("bulk", self.bulk)):
            sock.settimeout(TIMEOUT_S)
            self._readers[name] = FrameReader(sock)
        self._arrived = {"data": [], "bulk": []}
        self.times = {"data": [], "bulk": []}
        self._running = threads
        self._lost = threading.Semaphore(0)
        outlet = Outlet(data)
        other = outlet if is_bulk else Outlet(bulk)
        channel = Channel(outlet, other, processor, threads, batch_size, batch_wait)
        channel.start(on_lost=self._lost.release)

    def send(self, *frames):
        """Send frames in one burst; each is a kind, a codec, a number, and further fields."""
        burst = b""
        for kind, codec, number, payload, deadline in frames:
            burst += HEAD.pack(len(payload), kind, codec, 0, number, deadline) + payload
        self.data.sendall(burst)

    def answers(self, count, channel="data"):
        """Return {number: (status, payload)} of the next `count` answers."""
        arrived = self._arrived[channel]
        while len(arrived) < count:
            frames = self._readers[channel].read()
            self.times[channel] += [RUN_TIMES.unpack(f[5]) for f in frames if f[0] == TIMES]
            arrived += [frame for frame in frames if frame[0] != TIMES]
        taken = arrived[:count]
        del arrived[:count]
        assert {frame[0] for frame in taken} == {REPLY}
        return {frame[3]: (frame[2], bytes(frame[5])) for frame in taken}

    def all_threads_ended(self):
        while self._running and self._lost.acquire(timeout=TIMEOUT_S):
            self._running -= 1
        return not self._running

    def close(self):
        self.data.close()
        assert self.all_threads_ended()
        for sock in self._sockets:
            sock.close()


def predict(number, payload=b"12345678", deadline=0.0):
    return PREDICT, ARRAY_PROTO, number, payload, deadline


def predict_json(number, payload=b"{}", deadline=0.0):
    return PREDICT, EAS_JSON, number, payload, deadline


def cancel(number):
    return CANCEL, ARRAY_PROTO, number, b"", 0.0


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(channel_module, "time", clock)
    return clock


@pytest.fixture
def processor():
    return Processor()


@pytest.fixture
def serve(clock, processor):
    """Start a channel and return its peer."""
    peers = []

    def start(threads=1, batch_size=1, batch_wait=0.0, is_bulk=False):
        peers.append(Peer(processor, threads, batch_size, batch_wait, is_bulk))
        return peers[-1]

    yield start
    processor.let_go()
    for peer in peers:
        peer.close()


def test_answers_carry_number_and_status(serve):
    peer = serve()
    peer.send(predict(7, b"a"), predict(9, b"b"))
    assert peer.answers(2) == {
        7: (OK, b"a" * (BULK_SIZE // 8)),
        9: (OK, b"b" * (BULK_SIZE // 8)),
    }


def test_short_runs_stay_in_one_thread(serve, processor):
    peer = serve(threads=4)
    for number in range(20):
        peer.send(predict(number, b""), predict(100 + number, b""))
        peer.answers(2)
    assert len(processor.threads) == 1


def test_long_runs_are_side_by_side_as_many_as_there_are_threads(serve, processor, clock):
    peer = serve(threads=3)
    clock.run_s = LONG_S
    peer.send(predict(0, b"first"))
    peer.answers(1)
    processor.next_run()

    processor.hold()
    peer.send(*[predict(number, b"%d" % number) for number in range(1, 6)])
    running = [processor.next_run()[0] for _ in range(3)]
    assert sorted(running) == [b"1", b"2", b"3"]
    assert processor.runs.empty()
    processor.let_go()
    assert set(peer.answers(5)) == {1, 2, 3, 4, 5}


@pytest.mark.parametrize("threads", [1, 2])
def test_the_answer_of_a_long_run_does_not_wait_for_the_next_one(serve, processor, clock, threads):
    peer = serve(threads=threads)
    clock.run_s = LONG_S
    peer.send(predict(0, b"first"))
    peer.answers(1)
    processor.hold()
    peer.send(predict(1, b"1"), predict(2, b"2"))
    processor.let_go(runs=1)
    assert set(peer.answers(1)) <= {1, 2}


def test_one_long_run_among_many_short_ones_keeps_the_lead_changing_hands(serve, processor, clock):
    peer = serve(threads=2)
    for run_s in [SHORT_S] * 100 + [LONG_S] + [SHORT_S] * 100:
        clock.run_s = run_s
        peer.send(predict(0, b""))
        peer.answers(1)
        processor.next_run()
    processor.hold()
    peer.send(predict(1, b"held"), predict(2, b"beside"))
    assert [processor.next_run(), processor.next_run()] == [[b"held"], [b"beside"]]
    processor.let_go()
    peer.answers(2)


def test_returns_to_one_thread_when_runs_become_short_again(serve, processor, clock):
    peer = serve(threads=2)
    clock.run_s = LONG_S
    peer.send(predict(0, b""))
    peer.answers(1)
    clock.run_s = SHORT_S
    for number in range(1500):
        peer.send(predict(number, b""))
        peer.answers(1)
    processor.threads.clear()
    for number in range(20):
        peer.send(predict(number, b""))
        peer.answers(1)
    assert len(processor.threads) == 1


def test_a_request_past_its_deadline_is_refused_without_a_run(serve, processor):
    peer = serve()
    peer.send(predict(1, b"late", deadline=999.0), predict(2, b"in time", deadline=2000.0))
    answers = peer.answers(2)
    assert answers[1] == (DEADLINE_EXCEEDED, b"the request's deadline passed before it was run")
    assert answers[2][0] == OK
    assert processor.next_run() == [b"in time"]
    assert processor.runs.empty()


def test_the_deadline_is_looked_at_when_the_turn_has_come(serve, processor, clock):
    processor.hold()
    peer = serve()
    peer.send(predict(1, b"long"), predict(2, b"waits", deadline=1005.0))
    assert processor.next_run() == [b"long"]
    clock.now = 1006.0
    processor.let_go()
    assert peer.answers(2)[2][0] == DEADLINE_EXCEEDED


def test_expired_requests_alone_are_answered_too(serve):
    peer = serve(threads=2, batch_size=4)
    peer.send(predict(1, deadline=1.0), predict(2, deadline=1.0))
    assert {status for status, _ in peer.answers(2).values()} == {DEADLINE_EXCEEDED}


def test_a_waiting_request_that_is_cancelled_is_answered_without_a_run(serve, processor):
    processor.hold()
    peer = serve()
    peer.send(predict(1, b"runs"))
    assert processor.next_run() == [b"runs"]
    peer.send(predict(2, b"waits"), predict(3, b"last"), cancel(2))
    processor.let_go()
    answers = peer.answers(3)
    assert [answers[number][0] for number in (1, 2, 3)] == [OK, CANCELLED, OK]
    assert processor.next_run() == [b"last"]


def test_a_cancel_that_comes_after_the_answer_is_no_matter(serve):
    peer = serve()
    peer.send(predict(1))
    peer.answers(1)
    peer.send(cancel(1), predict(2))
    assert set(peer.answers(1)) == {2}


def test_an_answer_goes_out_on_the_bulk_channel_when_it_is_large(serve):
    peer = serve()
    peer.send(predict(1, b"12345678"), predict(2, b"123456789"))
    assert {number: len(body) for number, (_, body) in peer.answers(1).items()} == {1: BULK_SIZE}
    assert set(peer.answers(1, "bulk")) == {2}


def test_an_idle_worker_runs_a_lone_request_at_once(serve, processor):
    peer = serve(batch_size=8)
    peer.send(predict(1, b"alone"))
    peer.answers(1)
    assert processor.next_run() == [b"alone"]


def test_what_arrives_together_runs_together_up_to_the_batch_size(serve, processor):
    peer = serve(batch_size=4)
    peer.send(*[predict(number, b"%d" % number) for number in range(6)])
    assert set(peer.answers(6)) == set(range(6))
    assert [processor.next_run() for _ in range(2)] == [[b"0", b"1", b"2", b"3"], [b"4", b"5"]]


def test_a_batch_takes_what_has_arrived_while_the_one_before_ran(serve, processor):
    processor.hold()
    peer = serve(batch_size=2)
    peer.send(predict(1, b"1"), predict(2, b"2"), predict(3, b"3"))
    assert processor.next_run() == [b"1", b"2"]
    peer.send(predict(4, b"4"), predict(5, b"5"))
    processor.let_go()
    assert processor.next_run() == [b"3", b"4"]
    assert processor.next_run() == [b"5"]


@pytest.mark.parametrize("rows, told", [([2, 1, 1], [(2, 3), (1, 0), (1, 0)]), ([4], [(4, 3)])])
def test_each_run_of_a_batch_is_told_of(serve, processor, rows, told):
    processor.rows = rows
    peer = serve(batch_size=4)
    processor.hold()
    peer.send(predict(1))
    processor.next_run()
    peer.send(predict(2), predict(3), predict(4))
    processor.let_go()
    peer.answers(4)
    assert [each[:2] for each in peer.times["data"][-len(told) :]] == told


def test_an_expired_request_does_not_take_a_place_in_a_batch(serve, processor):
    peer = serve(batch_size=2)
    peer.send(predict(1, b"1"), predict(2, b"2", deadline=1.0), predict(3, b"3"))
    peer.answers(3)
    assert processor.next_run() == [b"1", b"3"]


@pytest.mark.parametrize("batch_size, most_threads", [(2, 1), (1, 2)])
def test_runs_of_a_millisecond_are_side_by_side_unless_they_are_batches(
    serve, processor, clock, batch_size, most_threads
):
    peer = serve(threads=2, batch_size=batch_size)
    clock.run_s = 0.001
    for number in range(200):
        peer.send(predict(number))
        peer.answers(1)
    assert len(processor.threads) == most_threads


def test_batches_of_long_runs_are_side_by_side_too(serve, processor, clock):
    peer = serve(threads=2, batch_size=2)
    clock.run_s = LONG_S
    peer.send(predict(0, b"first"))
    peer.answers(1)
    processor.next_run()
    processor.hold()
    peer.send(*[predict(number, b"%d" % number) for number in range(1, 5)])
    assert sorted(processor.next_run() for _ in range(2)) == [[b"1", b"2"], [b"3", b"4"]]


def test_each_request_comes_with_the_number_of_its_codec(serve, processor):
    peer = serve(batch_size=4)
    peer.send(predict_json(1, b"1"))
    peer.answers(1)
    assert (processor.next_run(), processor.codecs) == ([b"1"], [EAS_JSON])
    peer.send(predict_json(1, b"1"), predict(2, b"2"), predict_json(3, b"3"))
    peer.answers(3)
    assert processor.next_run() == [b"1", b"2", b"3"]
    assert processor.codecs == [EAS_JSON, EAS_JSON, ARRAY_PROTO, EAS_JSON]


def test_a_request_in_json_is_dropped_like_any_other(serve, processor):
    processor.hold()
    peer = serve()
    peer.send(predict(1, b"runs"))
    assert processor.next_run() == [b"runs"]
    peer.send(predict_json(2), cancel(2), predict_json(3, deadline=1.0))
    processor.let_go()
    answers = peer.answers(3)
    assert [answers[number][0] for number in (1, 2, 3)] == [OK, CANCELLED, DEADLINE_EXCEEDED]
    assert processor.runs.empty()


@pytest.mark.parametrize("batch_size, batch_wait", [(1, 0.0), (4, 0.0), (4, TIMEOUT_S)])
def test_nothing_waits_behind_large_json(serve, processor, batch_size, batch_wait):
    processor.hold()
    peer = serve(threads=2, batch_size=batch_size, batch_wait=batch_wait, is_bulk=True)
    large = b"[1]" + b" " * BULK_SIZE
    peer.send(predict_json(1, large), predict(2, b"2"), predict_json(3, large))
    assert processor.next_run() == [large]
    assert processor.next_run() == [b"2"]
    processor.let_go()
    assert processor.next_run() == [large]
    assert set(peer.answers(3)) == {1, 2, 3}


def test_an_answer_that_no_frame_can_hold_is_refused(serve, monkeypatch):
    monkeypatch.setattr(channel_module, "MAX_PAYLOAD", BULK_SIZE + 100)
    peer = serve()
    peer.send(predict(1, b"123456789"), predict(2, b"fits"))
    sentence = b"the answer has %d bytes, more than the limit of 4 GiB" % (9 * BULK_SIZE // 8)
    assert peer.answers(1, "bulk") == {1: (TOO_LARGE, sentence)}
    assert peer.answers(1)[2][0] == OK


def test_every_thread_ends_when_the_link_closes(serve):
    peer = serve(threads=4)
    peer.data.shutdown(socket.SHUT_RDWR)
    assert peer.all_threads_ended()


def test_a_link_that_closes_before_the_answer_ends_the_threads(serve, processor):
    processor.hold()
    peer = serve(threads=2)
    peer.send(predict(1))
    processor.next_run()
    peer.data.close()
    processor.let_go()
    assert peer.all_threads_ended()


def test_a_batch_waits_for_more_when_it_is_told_to(serve, processor):
    peer = serve(batch_size=3, batch_wait=TIMEOUT_S)
    peer.send(predict(1))
    peer.send(predict(2), predict(3))
    assert len(processor.next_run()) == 3
    peer.answers(3)


def test_a_batch_that_is_not_full_runs_when_its_time_is_over(serve, processor):
    peer = serve(batch_size=3, batch_wait=0.01)
    peer.send(predict(1))
    assert len(processor.next_run()) == 1
    peer.answers(1)
