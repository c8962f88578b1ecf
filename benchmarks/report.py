"""
The results as text, and in docs/benchmarks.md with its picture.

    python -m benchmarks.report        # results/latest.json -> docs/benchmarks.md and .svg
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "benchmarks.md"
PICTURE = ROOT / "docs" / "benchmarks.svg"
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"
ON, OFF, ECHO = "eas, batching on", "eas, batching off", "bare HTTP echo"
Results = dict[str, Any]


def find(results: Results, name: str, connections: int, body: str = "3 KB") -> Any:
    """Return the row of a contender, None when it was not measured."""
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
        and row["name"] not in (ON, OFF, ECHO)
        and (batching or "no batching" in row["name"])
    ]
    if not rows:
        return None
    return min(rows, key=lambda r: r[key]) if key == "p50" else max(rows, key=lambda r: r[key])


def targets(results: Results) -> list[list[str]]:
    """Return row, ours, reference, ratio, at least, reach for; what was not measured reads so."""
    lines = []

    def add(label: str, mine: Any, other: Any, unit: str, least: str, reach: str) -> None:
        if mine is None or other is None:
            lines.append([label, "not measured", "", "", least, reach])
        else:
            own, (name, figure) = float(mine), other
            shown = f"{own / figure:,.2f}" if figure else ""
            lines.append(
                [label, f"{own:,.4g} {unit}", f"{name} {figure:,.4g}", shown, least, reach]
            )

    def cell(name: str, connections: int, key: str, body: str = "3 KB") -> Any:
        row = find(results, name, connections, body)
        return row and row[key]

    def versus(row: Any, key: str) -> Any:
        return row and (row["name"], row[key])

    fast = min((cell(n, 1, "p50") for n in (ON, OFF) if cell(n, 1, "p50")), default=None)
    peer = versus(best_peer(results, 1, "p50"), "p50")
    add("1 connection, p50, against the best peer", fast, peer, "ms", "0.9 x its time", "0.6 x")
    for count, least, reach in ((8, "3.5 x", "6 x"), (32, "1.5 x", "2.4 x"), (128, "1.3 x", "2 x")):
        other = versus(best_peer(results, count, "throughput"), "throughput")
        label = f"{count} connections, batching on"
        add(label, cell(ON, count, "throughput"), other, "requests/s", least, reach)
    other = versus(best_peer(results, 32, "throughput", batching=False), "throughput")
    label = "32 connections, batching off, against no batching"
    add(label, cell(OFF, 32, "throughput"), other, "requests/s", "2 x", "3 x")
    other = versus(find(results, ECHO, 32), "throughput")
    label = "32 connections, batching on, against the echo"
    add(label, cell(ON, 32, "throughput"), other, "requests/s", "0.28", "0.45")
    other = versus(find(results, OFF, 1), "p50")
    add("lone request p50, on against off", cell(ON, 1, "p50"), other, "ms", "1.05 x", "1.0 x")
    tail = find(results, ON, 128)
    label = "128 connections, batching on, p99 against p50"
    add(label, tail and tail["p99"], tail and ("p50", tail["p50"]), "ms", "3 x", "2 x")
    other = versus(find(results, ECHO, 4, "600 KB"), "throughput")
    mine = cell(ON, 4, "throughput", "600 KB")
    add("600 KB, 4 connections, bytes/s against the echo", mine, other, "requests/s", "0.4", "0.7")
    _add_clients(results, add)
    _add_footprint(results, add)
    net = results.get("resnet")
    label = "ResNet-50, images/s against the bare loop"
    add(label, net and net["served"], net and ("bare", net["bare"]), "/s", "0.97", "")
    return lines


def _add_clients(results: Results, add: Any) -> None:
    sdks = results.get("sdks", {})
    mine, vendor = sdks.get("ours"), sdks.get("vendor")
    above = mine and mine["predict_us"] - mine["raw_us"]
    raw = mine and ("raw socket", mine["raw_us"])
    add("SDK predict p50 above a raw socket", above, raw, "µs above", "110 µs", "65 µs")
    other = vendor and ("vendor", vendor["predict_us"])
    label = "SDK predict p50 against the vendor's"
    add(label, mine and mine["predict_us"], other, "µs", "0.5 x", "")
    # The vendor's client is quickest with a list; ours is given an array.
    quickest = vendor and ("vendor", min(vendor["array_us"], vendor["list_us"]))
    label = "add_feed and serialise 150,528 floats"
    add(label, mine and mine["array_us"], quickest, "µs", "0.01 x", "memcpy")


def _add_footprint(results: Results, add: Any) -> None:
    foot = results.get("footprint")
    idle, loaded = (foot["engine_idle_mb"], foot["engine_after_load_mb"]) if foot else (None, None)
    add("engine RSS idle", idle, foot and ("limit", 80), "MB", "80 MB", "50 MB")
    add("engine RSS after load", loaded, foot and ("idle", idle), "MB", "flat", "flat")
    above = foot and foot["worker_mb"] - foot["bare_rss_mb"]
    bare = foot and ("TensorFlow and model", foot["bare_rss_mb"])
    add("worker RSS above TensorFlow and the model", above, bare, "MB above", "40 MB", "15 MB")
    second = foot and foot["second_worker_s"]
    add("killed worker to next answer", second, foot and ("limit", 0.3), "s", "0.3 s", "0.05 s")
    above = foot and foot["start_s"] - foot["bare_ready_s"]
    bare = foot and ("import and load", foot["bare_ready_s"])
    add("start to ready above import and load", above, bare, "s above", "1 s", "0.3 s")


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


def rows(results: Results) -> list[list[str]]:
    """Return every measured cell; medians of the rounds."""
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
    return f"{_columns(ROW_HEAD, rows(results))}\n\n{_columns(HEAD, targets(results))}\n\n" + (
        figures(results).rpartition("Settings of each row:")[2].strip()
    )


def _columns(head: list[str], lines: list[list[str]]) -> str:
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
        name = "eas" if row["name"].startswith("eas") else row["name"].partition(",")[0]
        if row["body"] == "3 KB" and row["name"] != ECHO:
            of = best.setdefault(name, {})
            of[row["connections"]] = max(of.get(row["connections"], 0), row["throughput"])
    tallest = max((v for of in best.values() for v in of.values()), default=1)
    y, parts = 44, []
    for connections in (1, 8, 32, 128):
        parts.append(f'<text x="10" y="{y}" font-weight="bold">{connections} connection(s)</text>')
        for name, of in best.items():
            if connections in of:
                y += 18
                width = max(1, 400 * of[connections] / tallest)
                colour = "#d9480f" if name == "eas" else "#868e96"
                parts.append(
                    f'<text x="90" y="{y}" text-anchor="end">{escape(name)}</text>'
                    f'<rect x="98" y="{y - 11}" width="{width:.0f}" height="13" fill="{colour}"/>'
                    f'<text x="{width + 104:.0f}" y="{y}">{of[connections]:,.0f}</text>'
                )
        y += 28
    title = "Requests a second, 784-256-10 model, each server's better setting"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="580" height="{y}" '
        'font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="white"/>'
        f'<text x="10" y="20" font-size="14">{title}</text>{"".join(parts)}</svg>\n'
    )


def render(results: Results) -> None:
    """Put the figures into docs/benchmarks.md and draw docs/benchmarks.svg."""
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text(f"{before}{BEGIN}\n\n{figures(results)}\n\n{END}{after}", encoding="utf-8")
    PICTURE.write_text(picture(results), encoding="utf-8")


if __name__ == "__main__":
    render(json.loads((ROOT / "benchmarks/results/latest.json").read_text(encoding="utf-8")))
