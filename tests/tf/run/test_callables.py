import numpy as np
import pytest
from fixtures import need

need.module("tensorflow")

from eas_processor.tf.run.callables import GraphCallable, make_callable
from eas_processor.tf.runtime import tf, v1

X = np.ones((2, 3), np.float32)


@pytest.fixture
def session():
    with tf.Graph().as_default() as graph:
        x = v1.placeholder(tf.float32, [None, 3], name="x")
        tf.multiply(x, 2.0, name="double")
        with v1.Session(graph=graph) as session:
            yield session


class Ways:
    """Replaces TensorFlow's callables; a call takes the seconds that the test sets for its way."""

    def __init__(self, monkeypatch, caller, pool):
        self.seconds = {True: caller, False: pool}
        self.calls = []
        self.now = 0.0
        monkeypatch.setattr("eas_processor.tf.run.callables.make_callable", self.make)
        monkeypatch.setattr("eas_processor.tf.run.callables.time.perf_counter", lambda: self.now)

    def make(self, session, feeds, fetches, on_caller_thread):
        def run(*arrays):
            self.calls.append(on_caller_thread)
            self.now += self.seconds[on_caller_thread]
            return [array * 2 for array in arrays]

        return run


@pytest.mark.parametrize("on_caller_thread", [True, False])
def test_both_ways_give_the_same(session, on_caller_thread):
    run = make_callable(session, ["x:0"], ["double:0", "x:0"][:1], on_caller_thread)
    assert np.array_equal(run(X)[0], X * 2)


def test_every_call_of_a_trial_is_answered_once(session):
    calls = GraphCallable(session, ["x:0"], ["double:0"], None)
    for _ in range(20):
        assert np.array_equal(calls.run(X)[0], X * 2)


@pytest.mark.parametrize("caller, pool, chosen", [(1.0, 2.0, True), (2.0, 1.0, False)])
def test_a_clear_winner_is_settled_within_a_warm_up(monkeypatch, caplog, caller, pool, chosen):
    caplog.set_level("INFO")
    ways = Ways(monkeypatch, caller, pool)
    calls = GraphCallable(None, ["x:0"], ["y:0"], None)
    for _ in range(8):
        calls.run(X)
    assert ways.calls == [True, False, True, False, True] + [chosen] * 3
    (record,) = caplog.records
    assert "us on the caller's thread" in record.getMessage()
    assert "y:0 runs " + ("on the caller's" if chosen else "through") in record.getMessage()


@pytest.mark.parametrize("caller, pool", [(1.1, 1.0), (20e-6, 10e-6)], ids=["close", "short"])
def test_a_close_race_and_a_short_run_take_more_calls(monkeypatch, caller, pool):
    ways = Ways(monkeypatch, caller, pool)
    calls = GraphCallable(None, ["x:0"], ["y:0"], None)
    for _ in range(44):
        calls.run(X)
    assert ways.calls == [True, False] * 20 + [True] + [False] * 3


def test_the_first_call_of_each_way_does_not_count(monkeypatch):
    ways = Ways(monkeypatch, 1.0, 100.0)
    calls = GraphCallable(None, ["x:0"], ["y:0"], None)
    calls.run(X)
    calls.run(X)
    ways.seconds = {True: 2.0, False: 1.0}
    for _ in range(4):
        calls.run(X)
    assert ways.calls[-1] is False


def test_only_calls_with_equal_shapes_are_compared(monkeypatch):
    ways = Ways(monkeypatch, 1.0, 2.0)
    calls = GraphCallable(None, ["x:0"], ["y:0"], None)
    for rows in range(1, 17):
        calls.run(np.ones((rows, 3)))
    assert ways.calls == [True] * 16
    calls.run(np.ones((17, 3)))
    ways.seconds[True] = 100.0
    for _ in range(12):
        calls.run(X)
    assert ways.calls[17:] == [True] * 12


@pytest.mark.parametrize("on_caller_thread", [True, False])
def test_the_configuration_decides_at_once(monkeypatch, on_caller_thread):
    ways = Ways(monkeypatch, 1.0, 1.0)
    calls = GraphCallable(None, ["x:0"], ["y:0"], on_caller_thread)
    calls.run(X)
    assert ways.calls == [on_caller_thread]


def test_a_call_that_fails_does_not_disturb_the_trial(session):
    calls = GraphCallable(session, ["x:0"], ["double:0"], None)
    for _ in range(12):
        with pytest.raises(tf.errors.InvalidArgumentError):
            calls.run(X.astype(np.float64))
        assert np.array_equal(calls.run(X)[0], X * 2)
