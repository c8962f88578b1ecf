from __future__ import annotations

from collections import Counter

import pytest

from eas_prediction._balancer import Balancer


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def balancer(clock):
    return Balancer(clock)


def shares(balancer, count, **failed):
    counts = Counter()
    for _ in range(count):
        address = balancer.choose()
        counts[address] += 1
        balancer.done(address, failed=failed.get(address, False))
    return counts


def test_turns_follow_the_weights(balancer):
    balancer.update({"a": 100, "b": 50, "c": 0, "d": 25})
    assert shares(balancer, 700) == {"a": 400, "b": 200, "d": 100}


def test_weights_that_change_count_from_then_on(balancer):
    balancer.update({"a": 100, "b": 100})
    shares(balancer, 100)
    balancer.update({"a": 100, "b": 300})
    counts = shares(balancer, 400)
    assert abs(counts["b"] - 300) <= 3


def test_where_every_weight_is_zero_all_serve(balancer):
    balancer.update({"a": 0, "b": 0})
    assert shares(balancer, 10) == {"a": 5, "b": 5}


def test_among_equals_the_one_with_the_least_to_do_is_next(balancer):
    balancer.update({"a": 1, "b": 1, "c": 1})
    first, second = balancer.choose(), balancer.choose()
    third = balancer.choose()
    assert {first, second, third} == {"a", "b", "c"}
    balancer.done(second, failed=False)
    assert balancer.choose() == second


def test_a_retry_goes_to_a_different_one(balancer):
    balancer.update({"a": 1, "b": 1, "c": 1})
    tried = []
    for _ in range(3):
        tried.append(balancer.choose(tried))
    assert sorted(tried) == ["a", "b", "c"]
    assert balancer.choose(tried) in tried


def test_what_fails_is_set_aside_for_a_growing_moment(balancer, clock):
    balancer.update({"a": 1, "b": 1})
    moments = []
    for _ in range(10):
        while balancer.choose() != "a":
            balancer.done("b", failed=False)
        balancer.done("a", failed=True)
        start = clock.now
        assert shares(balancer, 5) == {"b": 5}
        while not shares(balancer, 3, a=None)["a"]:
            clock.now += 0.1
            assert clock.now < 1000
        moments.append(clock.now - start)
    assert moments[:4] == pytest.approx([0.2, 0.4, 0.8, 1.6], abs=0.11)
    assert moments[-1] == pytest.approx(30, abs=0.2)


def test_after_its_moment_one_request_tries_it_and_then_all_do(balancer, clock):
    balancer.update({"a": 1, "b": 1})
    while balancer.choose() != "a":
        balancer.done("b", failed=False)
    balancer.done("a", failed=True)
    clock.now = 1.0
    chosen = [balancer.choose() for _ in range(10)]
    assert chosen.count("a") == 1
    balancer.done("a", failed=False)
    assert "a" in [balancer.choose() for _ in range(3)]


def test_one_that_failed_is_tried_again_wherever_it_is_listed(balancer, clock):
    balancer.update({"a": 100, "b": 100})
    for address in ("a", "b"):
        assert balancer.choose() == address
        balancer.done(address, failed=address == "b")
    clock.now += 1.0
    tried = []
    for _ in range(4):
        tried.append(balancer.choose())
        balancer.done(tried[-1], failed=False)
    assert sorted(tried) == ["a", "a", "b", "b"]


def test_turns_that_were_missed_are_not_made_up_for(balancer, clock):
    balancer.update({"a": 1, "b": 1})
    while balancer.choose() != "a":
        balancer.done("b", failed=False)
    balancer.done("a", failed=True)
    shares(balancer, 1000)
    clock.now = 1.0
    counts = shares(balancer, 100)
    assert abs(counts["a"] - counts["b"]) <= 2


def test_where_all_are_set_aside_all_are_asked(balancer):
    balancer.update({"a": 1, "b": 1})
    counts = shares(balancer, 10, a=True, b=True)
    assert set(counts) == {"a", "b"}


def test_what_is_gone_is_named_and_forgotten(balancer):
    balancer.update({"a": 1, "b": 1})
    assert balancer.update({"b": 1}) == ["a"]
    balancer.done("a", failed=True)  # an attempt that was on its way
    assert shares(balancer, 3) == {"b": 3}
