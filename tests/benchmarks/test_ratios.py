from __future__ import annotations

import random

import pytest

from benchmarks.ratios import Spread, spread


@pytest.mark.parametrize(
    ("count", "low", "high"), [(6, 1, 6), (8, 1, 8), (9, 2, 8), (20, 6, 15), (25, 8, 18)]
)
def test_the_interval_is_that_of_the_sign_test(count: int, low: int, high: int) -> None:
    ratios = [float(each) for each in range(1, count + 1)]
    random.Random(0).shuffle(ratios)
    assert spread(ratios).interval == (low, high)  # ranks from the tables of the binomial


def test_five_pairs_show_nothing() -> None:
    known = spread([0.1] * 5)
    assert known.median == 0.1 and known.interval is None
    assert not known.below(0.95) and not known.above(0.01)


def test_one_wild_round_does_not_move_the_verdict() -> None:
    known = spread([0.90, 0.91, 0.92] * 6 + [0.2, 9.0])
    assert known.median == 0.91
    assert known.below(0.95) and not known.below(0.9)
    assert known.above(0.89) and not known.above(0.95)


def test_a_row_around_the_limit_is_not_below_it() -> None:
    assert not spread([0.90, 1.0] * 10).below(0.95)


def test_quartiles_of_one_ratio() -> None:
    assert spread([2.0]) == Spread(2.0, (2.0, 2.0), None)
