import itertools

import pytest

from eas_processor.link.frames import PREDICT
from eas_processor.worker import polling
from eas_processor.worker.polling import Poller

FRAME = (PREDICT, 0, 1, 7, 0.0, b"body")


class Reader:
    """A reader that returns a frame at the polls whose numbers are in `arrives_at`."""

    def __init__(self, *arrives_at):
        self.looks = 0
        self._arrives_at = arrives_at

    def read_arrived(self):
        self.looks += 1
        return [FRAME] if self.looks in self._arrives_at else []


class Clock:
    """A clock by which each poll takes a quarter of the polling time."""

    def __init__(self):
        self._ticks = itertools.count()

    def perf_counter(self):
        return next(self._ticks) * polling._POLL_S / 4


@pytest.fixture(autouse=True)
def machine(monkeypatch):
    monkeypatch.setattr(polling, "time", Clock())
    monkeypatch.setattr(polling, "usable_cores", lambda: 2)


def test_what_arrives_soon_is_returned():
    reader = Reader(2)
    assert Poller(reader, batches=False).read(1) == [FRAME]
    assert reader.looks == 2


def test_it_is_given_up_after_a_moment():
    reader = Reader(5)
    assert Poller(reader, batches=False).read(1) == []
    assert reader.looks < 5


@pytest.mark.parametrize("batches, looks", [(False, 0), (True, 1)])
def test_while_the_worker_holds_many_only_batches_are_polled_for(batches, looks):
    reader = Reader(1)
    found = Poller(reader, batches=batches).read(polling._MAX_HELD + 1)
    assert found == [FRAME] * looks
    assert reader.looks == looks


def test_nobody_polls_on_a_single_core(monkeypatch):
    monkeypatch.setattr(polling, "usable_cores", lambda: 1)
    reader = Reader(1)
    assert Poller(reader, batches=False).read(1) == []
    assert reader.looks == 0


def test_who_finds_nothing_polls_seldom_until_something_comes():
    reader = Reader()
    waiting = Poller(reader, batches=False)
    looked = []
    for _ in range(200):
        before = reader.looks
        waiting.read(1)
        looked.append(reader.looks > before)
    assert looked[:4] == [True, True, True, False]
    assert 2 <= sum(looked[3:]) <= 4
    reader.read_arrived = lambda: [FRAME]
    while not waiting.read(1):
        pass
    assert waiting.read(1) == [FRAME]
