"""Measurements in alternating rounds, so that changes of the machine affect all sides."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from benchmarks.console import tell
from benchmarks.ratios import Spread, spread

Figures = dict[str, float]
Rounds = dict[str, list[Figures]]
"""The figures of each side, in the order of rounds."""


def in_turn(sides: Mapping[str, Callable[[], Figures]], rounds: int, label: str = "") -> Rounds:
    """Measure each side once per round. The first side changes from round to round."""
    found: Rounds = {name: [] for name in sides}
    names = list(sides)
    for number in range(rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            tell(f"{label}: round {number + 1} of {rounds}, {name}")
            found[name].append(sides[name]())
    return found


def ratio(found: Rounds, figure: str, one: str, other: str) -> Spread:
    """Return the ratio of two sides' figures in each round."""
    pairs = zip(found[one], found[other], strict=True)
    return spread([a[figure] / b[figure] for a, b in pairs])


def median(found: Rounds, figure: str, side: str) -> float:
    """Return the median of a side's figure."""
    return spread([each[figure] for each in found[side]]).median


def ratio_text(known: Spread) -> str:
    """Return a ratio with its quartiles."""
    low, high = known.quartiles
    return f"{known.median:.2f} (quartiles {low:.2f} to {high:.2f})"


def table(found: Rounds, figures: Sequence[tuple[str, str]]) -> list[str]:
    """Return a line for each side with the medians of its figures, by name and unit."""
    width = max(len(name) for name in found)
    return [
        f"  {name:{width}}  "
        + "   ".join(f"{_shown(median(found, each, name))} {unit}" for each, unit in figures)
        for name in found
    ]


def _shown(value: float) -> str:
    return f"{value:,.3f}" if value < 10 else f"{value:,.1f}"
