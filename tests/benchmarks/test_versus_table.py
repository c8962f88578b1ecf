from __future__ import annotations

import json
import math

import pytest

from benchmarks.checkout import Round
from benchmarks.versus_rows import Row
from benchmarks.versus_table import Measured, facts, means, text


def measured(
    name: str, *ratios: float, work: float = 1.0, worker: bool = True, **row: object
) -> Measured:
    known = Measured(Row(name, 8, **row))  # type: ignore[arg-type]
    for number, ratio in enumerate(ratios):
        old = Round(1000.0, 2.0, 20.0, 30.0 if worker else None)
        new = Round(1000.0 * ratio, 2.0 / ratio, 20.0 * work, 30.0 if worker else None)
        known.pairs[number] = old, new
    return known


def line(shown: str, name: str) -> str:
    return next(each for each in shown.splitlines() if each.startswith(f"{name} "))


def test_a_slower_row_is_marked_only_when_it_is_shown() -> None:
    slow, unsure = measured("slow", *[0.9] * 6), measured("unsure", *[0.9] * 5)
    shown = text([slow, unsure])
    assert line(shown, "slow").endswith("below 0.95")
    assert line(shown, "unsure").split()[1:4] == ["1,000", "900", "0.900"]
    assert "below" not in line(shown, "unsure")


def test_more_processor_time_is_marked() -> None:
    shown = text([measured("dear", *[1.0] * 6, work=1.1), measured("same", *[1.0] * 6)])
    assert line(shown, "dear").endswith("engine above 1.03")
    assert "above" not in line(shown, "same")


def test_the_mean_is_geometric_and_over_its_rows_alone() -> None:
    rows = [measured("a", *[0.5] * 6), measured("b", *[2.0] * 6)]
    rows.append(measured("json", *[8.0] * 6, in_mean=False))
    known = means(rows)["throughput"]
    assert known.median == pytest.approx(1.0)
    assert known.interval == pytest.approx((1.0, 1.0))
    assert "geometric mean over 2 rows, requests/s: 1.000 (95 %: 1.000-1.000)" in text(rows)


def test_a_row_without_a_worker_is_not_in_the_workers_mean() -> None:
    rows = [measured("a", 1.0), measured("inline", 1.0, worker=False)]
    assert "mean over 1 rows, processor time of the worker" in text(rows)
    assert facts(rows)["rows"][1]["pairs"][0][0]["worker"] is None


def test_a_row_that_old_cannot_do_is_said_and_not_made_up() -> None:
    missing = Measured(Row("missing", 1), left_out=["old: 404 b'no such path'"])
    shown = text([measured("a", 1.0), missing])
    assert line(shown, "missing").endswith("not measured")
    assert shown.endswith("Left out:\n- missing: old: 404 b'no such path'")
    assert "geometric mean over 1 rows" in shown
    assert "geometric mean" not in text([missing])


def test_a_row_is_compared_with_another_of_the_same_server() -> None:
    base = measured("on-8", *[1.0] * 6)
    beside = measured("beside", *[4.0] * 6, against="on-8", figure="p50")
    shown = text([base, beside])
    assert (
        "beside / on-8, p50 of the same server: old 1.000 (95 %: 1.000-1.000); new 0.250" in shown
    )
    assert "same server" not in text([beside])


def test_a_missing_pair_does_not_shift_the_others() -> None:
    base = measured("on-8", 1.0, 2.0, 4.0)
    other = measured("other", 1.0, 2.0, 4.0, against="on-8", figure="throughput")
    del other.pairs[0]
    assert "new 1.000" in text([base, other])


def test_facts_are_json() -> None:
    known = json.loads(json.dumps(facts([measured("a", 1.0, 1.1)])))
    assert math.isclose(known["rows"][0]["ratios"]["throughput"]["median"], 1.05)
    assert len(known["rows"][0]["pairs"]) == 2
