"""The results of comparing two checkouts: a table, and facts for a file."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from benchmarks.checkout import Round
from benchmarks.ratios import Spread, spread
from benchmarks.report import columns
from benchmarks.versus_rows import Row

FIGURES = {
    "throughput": "requests/s",
    "p50": "p50",
    "engine": "processor time of the engine",
    "worker": "processor time of the worker",
}
LEAST, MOST = 0.95, 1.03
"""Rows with significantly fewer requests/s or significantly more processor time are marked."""
HEAD = ["row", "old /s", "new /s", "ratio", "quartiles", "95 %", "p50", "engine", "worker", ""]
_LEGEND = (
    "Each ratio is new / old, the median of the pairs: requests/s with its quartiles and 95 % "
    "interval,\nthe median latency, and the processor time of a request in engine and worker."
)


@dataclass
class Measured:
    """The pairs of rounds of a row, (old, new) by number, and reasons for missing ones."""

    row: Row
    pairs: dict[int, tuple[Round, Round]] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)

    def values(self, figure: str, side: int) -> dict[int, float]:
        """Return a figure of the old (0) or new (1) side, by the number of the pair."""
        found = {number: getattr(pair[side], figure) for number, pair in self.pairs.items()}
        return {number: value for number, value in found.items() if value}

    def ratios(self, figure: str) -> dict[int, float]:
        """Return the ratio new / old of a figure, by the number of the pair."""
        return _quotients(self.values(figure, 1), self.values(figure, 0))


def _quotients(above: dict[int, float], below: dict[int, float]) -> dict[int, float]:
    return {number: above[number] / below[number] for number in above if number in below}


def text(all_measured: Sequence[Measured]) -> str:
    """Return the table, the rows that are compared with another, and the geometric means."""
    missing = [f"- {each.row.name}: {why}" for each in all_measured for why in each.left_out]
    parts = [
        _LEGEND,
        columns(HEAD, [_line(each) for each in all_measured]),
        "\n".join(_within(all_measured)),
        "\n".join(
            f"geometric mean over {len(_counted(all_measured, figure))} rows, {FIGURES[figure]}: "
            f"{_shown(known)}"
            for figure, known in means(all_measured).items()
        ),
        "\n".join(["Left out:", *missing]) if missing else "",
    ]
    return "\n\n".join(part for part in parts if part)


def _line(measured: Measured) -> list[str]:
    found = {figure: list(measured.ratios(figure).values()) for figure in FIGURES}
    if not found["throughput"]:
        return [measured.row.name, *[""] * (len(HEAD) - 2), "not measured"]
    known = {figure: spread(ratios) for figure, ratios in found.items() if ratios}
    rates = known.pop("throughput")
    sides = [spread(list(measured.values("throughput", side).values())) for side in (0, 1)]
    notes = [f"below {LEAST}"] if rates.below(LEAST) else []
    times = [each for each in ("engine", "worker") if each in known]
    notes += [f"{each} above {MOST}" for each in times if known[each].above(MOST)]
    return [
        measured.row.name,
        *(f"{each.median:,.0f}" for each in sides),
        f"{rates.median:.3f}",
        _range(rates.quartiles),
        _range(rates.interval),
        *(f"{known[each].median:.3f}" if each in known else "" for each in HEAD[6:9]),
        ", ".join(notes),
    ]


def _within(all_measured: Sequence[Measured]) -> list[str]:
    """Return a line for each row that is compared with another row of the same server."""
    known = {each.row.name: each for each in all_measured}
    lines = []
    for each in all_measured:
        row, base = each.row, known.get(each.row.against)
        if base is None:
            continue
        shown = []
        for side, label in enumerate(("old", "new")):
            ratios = _quotients(each.values(row.figure, side), base.values(row.figure, side))
            if ratios:
                shown.append(f"{label} {_shown(spread(list(ratios.values())))}")
        if shown:
            what = f"{row.name} / {row.against}, {FIGURES[row.figure]} of the same server"
            lines.append(f"{what}: {'; '.join(shown)}")
    return lines


def means(all_measured: Sequence[Measured]) -> dict[str, Spread]:
    """Return the geometric means over the rows, with their spread over the pairs."""
    found = {}
    for figure in ("throughput", "engine", "worker"):
        rows = _counted(all_measured, figure)
        whole = set.intersection(*map(set, rows)) if rows else set()
        if whole:
            of_pairs = spread([_geometric(row[number] for row in rows) for number in whole])
            mean = _geometric(spread(list(row.values())).median for row in rows)
            found[figure] = Spread(mean, of_pairs.quartiles, of_pairs.interval)
    return found


def _counted(all_measured: Sequence[Measured], figure: str) -> list[dict[int, float]]:
    rows = [each.ratios(figure) for each in all_measured if each.row.in_mean]
    return [each for each in rows if each]


def _geometric(values: Iterable[float]) -> float:
    logs = [math.log(each) for each in values]
    return math.exp(sum(logs) / len(logs))


def _shown(known: Spread) -> str:
    return f"{known.median:.3f} (95 %: {_range(known.interval) or 'fewer than 6 pairs'})"


def _range(ends: tuple[float, float] | None) -> str:
    return f"{ends[0]:.3f}-{ends[1]:.3f}" if ends else ""


def facts(all_measured: Sequence[Measured]) -> dict[str, Any]:
    """Return all results as values for JSON."""
    rows = []
    for each in all_measured:
        ratios = {figure: list(each.ratios(figure).values()) for figure in FIGURES}
        pairs = [[asdict(one) for one in pair] for pair in each.pairs.values()]
        known = {figure: asdict(spread(values)) for figure, values in ratios.items() if values}
        rows.append({"row": asdict(each.row), "ratios": known, "pairs": pairs})
        rows[-1]["left_out"] = each.left_out
    return {"rows": rows, "means": {n: asdict(each) for n, each in means(all_measured).items()}}
