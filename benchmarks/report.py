"""
Writes the results as text, and to docs/benchmarks.md with its picture.

    python -m benchmarks.report        # results/latest.json -> docs/benchmarks.md and .svg
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from benchmarks import budget
from benchmarks.in_turn import Rounds, median

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "benchmarks.md"
PICTURE = ROOT / "docs" / "benchmarks.svg"
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"
ON, OFF, ECHO = "eas, batching on", "eas, batching off", "bare HTTP echo"
Results = dict[str, Any]


def find(results: Results, name: str, connections: int, body: str = "3 KB") -> Any:
    """Return the row of a contender, None if it was not measured."""
    for row in results["rows"]:
        if (row["name"], row["connections"], row["body"]) == (name, connections, body):
            return row
    return None


def best_peer(results: Results, connections: int, key: str, *, batching: bool = True) -> Any:
    """Return the row of the best peer, at its best setting."""
    rows = [
        row
        for row in results["rows"]
        if row["connections"] == connections
        and row["body"] == "3 KB"
        and not row["name"].startswith(("eas", ECHO))
        and (batching or "no batching" in row["name"])
    ]
    if not rows:
        return None
    return min(rows, key=lambda r: r[key]) if key == "p50" else max(rows, key=lambda r: r[key])


class _Targets:
    """The rows of the table of targets. Figures that were not measured are marked."""

    def __init__(self, results: Results) -> None:
        self.results = results
        self.lines: list[list[str]] = []

    def ratio(self, label: str, mine: Any, other: Any, unit: str, least: str, reach: str) -> None:
        """
        Add a figure, with the (name, figure) to compare it with.

        If their ratio was measured, it is the third item of `other`.
        """
        name, figure, *measured = other or ("", None)
        quotient = mine / figure if mine is not None and figure else None
        shown = next(iter(measured), quotient)
        self._add(label, mine, (name, figure), unit, f"{shown or 0:,.3g}", least, reach)

    def figure(self, label: str, mine: Any, other: Any, unit: str, least: str, reach: str) -> None:
        """Add a figure without a comparison. `other` is only shown."""
        self._add(label, mine, other or ("", None), unit, "", least, reach)

    def cell(self, name: str, connections: int, key: str, body: str = "3 KB") -> Any:
        """Return a figure of a row, None if it was not measured."""
        row = find(self.results, name, connections, body)
        return row and row[key]

    def _add(self, label: str, mine: Any, other: Any, unit: str, *rest: str) -> None:
        name, figure = other
        if mine is None or figure is None:
            self.lines.append([label, "not measured", "", "", *rest[1:]])
        else:
            own, beside = f"{_amount(mine)} {unit}", f"{name} {_amount(figure)}"
            self.lines.append([label, own, beside, *rest])


def targets(results: Results) -> list[list[str]]:
    """Return the table of targets: row, ours, reference, ratio, minimum and goal."""
    table = _Targets(results)
    peer = _versus(best_peer(results, 1, "p50"), "p50")
    for link in ("", " inline"):
        cells = [table.cell(f"eas{link}, batching {s}", 1, "p50") for s in ("on", "off")]
        fast = min((each for each in cells if each), default=None)
        label = f"1 connection{link}, p50, against the best peer"
        table.ratio(label, fast, peer, "ms", "0.9 x its time", "0.6 x")
    for count, least, reach in ((8, "3.5 x", "6 x"), (32, "1.5 x", "2.4 x"), (128, "1.3 x", "2 x")):
        other = _versus(best_peer(results, count, "throughput"), "throughput")
        _both(table, f"{count} connections", ON, (count, "3 KB"), other, (least, reach))
    other = _versus(best_peer(results, 32, "throughput", batching=False), "throughput")
    _both(table, "32 connections, no peer's batching", OFF, (32, "3 KB"), other, ("2 x", "3 x"))
    other = _versus(find(results, ECHO, 32), "throughput")
    _both(table, "32 connections, against the echo", ON, (32, "3 KB"), other, ("0.28", "0.45"))
    other = _versus(find(results, OFF, 1), "p50")
    label = "lone request p50, on against off"
    table.ratio(label, table.cell(ON, 1, "p50"), other, "ms", "1.05 x", "1.0 x")
    tail = find(results, ON, 128)
    label = "128 connections, batching on, p99 against p50"
    table.ratio(label, tail and tail["p99"], tail and ("p50", tail["p50"]), "ms", "3 x", "2 x")
    other = _versus(find(results, ECHO, 4, "600 KB"), "throughput")
    label = "600 KB, 4 connections, bytes/s against the echo"
    _both(table, label, ON, (4, "600 KB"), other, ("0.4", "0.7"))
    _add_clients(table)
    _add_footprint(table)
    net = results.get("resnet")
    label = "ResNet-50, images/s against the bare loop"
    bare = net and ("bare", net["bare"], net["ratio"])
    table.ratio(label, net and net["served"], bare, "/s", "0.97", "")
    return table.lines


def _amount(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _versus(row: Any, key: str) -> Any:
    return row and (row["name"], row[key])


def _both(
    table: _Targets,
    label: str,
    name: str,
    where: tuple[int, str],
    other: Any,
    goal: tuple[str, str],
) -> None:
    """Add requests/s of the default link, then of the inline link."""
    for shown in (name, name.replace("eas", "eas inline")):
        mine = table.cell(shown, where[0], "throughput", where[1])
        table.ratio(f"{label}: {shown}", mine, other, "requests/s", *goal)


def _add_clients(table: _Targets) -> None:
    sdks = table.results.get("sdks", {})
    mine, vendor = sdks.get("ours"), sdks.get("vendor")
    above = mine and mine["predict_us"] - mine["raw_us"]
    raw = mine and ("raw socket", mine["raw_us"])
    table.figure("SDK predict p50 above a raw socket", above, raw, "µs above", "110 µs", "65 µs")
    name = vendor and f"vendor (protobuf in {vendor['protobuf']})"
    other = vendor and (name, vendor["predict_us"])
    label = "SDK predict p50 against the vendor's"
    table.ratio(label, mine and mine["predict_us"], other, "µs", "0.5 x", "")
    for key, kind in (("array_us", "a numpy array"), ("list_us", "a list")):
        label = f"add_feed and serialise 150,528 floats of {kind}"
        other = vendor and (name, vendor[key])
        goal = ("0.01 x", "memcpy") if key == "array_us" else ("", "")
        table.ratio(label, mine and mine[key], other, "µs", *goal)


def _add_footprint(table: _Targets) -> None:
    foot: Any = table.results.get("footprint") or {}

    def above(label: str, key: str, base: str, of: str, unit: str, *goal: str) -> None:
        excess = foot[key] - foot[base] if key in foot else None
        table.figure(label, excess, (of, foot.get(base)), f"{unit} above", *goal)

    idle, warm = foot.get("engine_idle_mb"), ("after the first 20,000", foot.get("engine_warm_mb"))
    table.figure("engine RSS idle", idle, ("limit", 80), "MB", "80 MB", "50 MB")
    label = (
        f"engine RSS after {foot['requests']:,} requests more" if foot else "engine RSS after load"
    )
    table.figure(label, foot.get("engine_after_load_mb"), warm, "MB", "flat", "flat")
    of = "TensorFlow and model"
    label = "launcher and worker, PSS, above TensorFlow and the model"
    above(label, "build_pss_mb", "bare_pss_mb", of, "MB", "40 MB", "15 MB")
    own = foot.get("worker_private_mb")
    label = "of that, private to the worker"
    table.figure(label, own, ("both", foot.get("build_pss_mb")), "MB", "", "")
    label = "second worker, from asking to its first answer, above the model's load"
    above(label, "second_worker_s", "bare_load_s", "load", "s", "0.3 s", "0.05 s")
    label = "start to ready above import and load"
    above(label, "start_s", "bare_ready_s", "import and load", "s", "1 s", "0.3 s")


HEAD = ["row", "ours", "reference", "ratio", "at least", "reach for"]
ROW_HEAD = [
    "contender",
    "body",
    "connections",
    "requests/s",
    "p50 ms",
    "p99 ms",
    "max ms",
    "/ echo",
]


GRPC_HEAD = ["gRPC Predict", "in flight", "requests/s", "server µs", "worker µs", "/ grpcio"]
_GRPCIO = "grpcio, asyncio"


def grpc_rows(results: Results) -> list[list[str]]:
    """Return the medians of gRPC servers, and of `/api/predict` of the same engine."""
    lines = []
    parts: dict[str, Rounds] = results.get("grpc", {})
    for part, found in parts.items():
        floor = median(found, "throughput", _GRPCIO)
        for name in found:
            rate, *times = (median(found, key, name) for key in ("throughput", "server", "worker"))
            count = part.split()[1]
            shown = [f"{each:.1f}" for each in times]
            lines.append([name, count, f"{rate:,.0f}", *shown, f"{rate / floor:.2f}"])
    return lines


def rows(results: Results) -> list[list[str]]:
    """Return the medians of every measured cell."""
    lines = []
    for row in results["rows"]:
        floor = find(results, ECHO, row["connections"], row["body"])
        share = f"{row['throughput'] / floor['throughput']:.2f}" if floor else ""
        times = [f"{row[key]:,.3f}" for key in ("p50", "p99", "worst")]
        asked = f"{row['throughput']:,.0f}"
        lines.append([row["name"], row["body"], str(row["connections"]), asked, *times, share])
    return lines


def markdown(head: list[str], lines: list[list[str]]) -> str:
    """Return a table in Markdown."""
    table = [head, ["---"] * len(head), *lines]
    return "\n".join("| " + " | ".join(line) + " |" for line in table)


def figures(results: Results) -> str:
    """Return the measured part of the page."""
    settings = {row["name"]: row["settings"] for row in results["rows"]}
    parts = [
        f"{results['when']}, {results['machine']}; {results['rounds']} rounds of "
        f"{results['seconds']:g} s a cell, {results.get('took_s', 0)} s in all.",
        markdown(HEAD, targets(results)),
        markdown(ROW_HEAD, rows(results)),
        *_grpc(results, markdown),
        *_budget(results, markdown),
        "Settings of each row:\n\n" + "\n".join(f"- {n}: `{s}`" for n, s in settings.items()),
    ]
    if loop := results.get("callable"):
        rates = ", ".join(f"{v:,.0f} calls/s at {k}" for k, v in loop["calls_per_second"].items())
        parts.append(f"The bare callable loop, one thread: {rates}.")
    if missing := results["left_out"]:
        lines = (f"- {name}: {' '.join(str(why).split())[:300]}" for name, why in missing.items())
        parts.append("Not measured in this run, so not compared:\n\n" + "\n".join(lines))
    return "\n\n".join(parts)


def text(results: Results) -> str:
    """Return the run for a terminal."""
    return "\n\n".join(
        [
            columns(ROW_HEAD, rows(results)),
            columns(HEAD, targets(results)),
            *_grpc(results, columns),
            *_budget(results, columns),
            figures(results).rpartition("Settings of each row:")[2].strip(),
        ]
    )


def _grpc(results: Results, table: Callable[[list[str], list[list[str]]], str]) -> list[str]:
    lines = grpc_rows(results)
    return [table(GRPC_HEAD, lines)] if lines else []


def _budget(results: Results, table: Callable[[list[str], list[list[str]]], str]) -> list[str]:
    cells = results.get("budget")
    return [table(budget.head(cells), budget.lines(cells))] if cells else []


def columns(head: list[str], lines: list[list[str]]) -> str:
    """Return a table for a terminal."""
    table = [head, *lines]
    widths = [max(len(line[index]) for line in table) for index in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in table
    )


def picture(results: Results) -> str:
    """Return requests a second at each number of connections as bars, in SVG."""
    best: dict[str, dict[int, float]] = {}
    for row in results["rows"]:
        name = row["name"].partition(",")[0]
        if row["body"] == "3 KB" and row["name"] != ECHO:
            of = best.setdefault(name, {})
            of[row["connections"]] = max(of.get(row["connections"], 0), row["throughput"])
    tallest = max((v for of in best.values() for v in of.values()), default=1)
    y, parts = 44, []
    for connections in (1, 8, 32, 128):
        heading = f"{connections} connection{'s' * (connections > 1)}"
        parts.append(f'<text x="10" y="{y}" font-weight="bold">{heading}</text>')
        for name, of in best.items():
            if connections in of:
                y += 18
                width = max(1, 400 * of[connections] / tallest)
                colour = "#d9480f" if name.startswith("eas") else "#868e96"
                parts.append(
                    f'<text x="160" y="{y}" text-anchor="end">{escape(name)}</text>'
                    f'<rect x="168" y="{y - 11}" width="{width:.0f}" height="13" fill="{colour}"/>'
                    f'<text x="{width + 174:.0f}" y="{y}">{of[connections]:,.0f}</text>'
                )
        y += 28
    title = "Requests a second, 784-256-10 model, each server's better setting"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="640" height="{y}" '
        'font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="white"/>'
        f'<text x="10" y="20" font-size="14">{title}</text>{"".join(parts)}</svg>\n'
    )


def render(results: Results) -> None:
    """Write the figures to docs/benchmarks.md and draw docs/benchmarks.svg."""
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(BEGIN)
    after = rest.partition(END)[2]
    shown = f"{figures(results)}\n\n![Requests a second of each server]({PICTURE.name})"
    PAGE.write_text(f"{before}{BEGIN}\n\n{shown}\n\n{END}{after}", encoding="utf-8")
    PICTURE.write_text(picture(results), encoding="utf-8")


if __name__ == "__main__":
    render(json.loads((ROOT / "benchmarks/results/latest.json").read_text(encoding="utf-8")))
