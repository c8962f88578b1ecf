from __future__ import annotations

import itertools

from benchmarks.in_turn import in_turn, median, ratio, ratio_text, table


def test_each_side_is_first_in_turn() -> None:
    asked: list[str] = []
    in_turn({name: lambda n=name: asked.append(n) or {} for name in "abc"}, 4)  # type: ignore[func-returns-value,misc]
    assert "".join(asked) == "abc" + "bca" + "cab" + "abc"


def test_ratios_are_of_the_same_round() -> None:
    slow, fast = itertools.count(1), itertools.count(1)
    found = in_turn({"a": lambda: {"x": next(slow) * 6.0}, "b": lambda: {"x": next(fast) * 2.0}}, 5)
    known = ratio(found, "x", "a", "b")
    assert known.median == 3.0 and known.quartiles == (3.0, 3.0)
    assert median(found, "x", "a") == 18.0
    assert ratio_text(known) == "3.00 (quartiles 3.00 to 3.00)"


def test_the_table_has_a_line_for_each_side() -> None:
    found = in_turn({"one": lambda: {"x": 1500.0}, "other": lambda: {"x": 2.0}}, 3)
    lines = table(found, [("x", "calls/s")])
    assert lines == ["  one    1,500.0 calls/s", "  other  2.000 calls/s"]
