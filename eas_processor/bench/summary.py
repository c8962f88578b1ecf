"""Summarise a run: percentiles, counts, and a histogram of latencies as text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from eas_processor.bench.load import Plan, Result

PERCENTILES = {"p50": 50.0, "p90": 90.0, "p99": 99.0, "p99.9": 99.9, "max": 100.0}
_BAR = 40
_EIGHTHS = " ▏▎▍▌▋▊▉"
_BUCKETS_A_DECADE = 8


def percentile(ordered: Sequence[float], share: float) -> float:
    """Return the smallest value that `share` percent of the ordered values do not exceed."""
    return ordered[max(0, math.ceil(len(ordered) * share / 100) - 1)]


def facts(result: Result, plan: Plan) -> dict[str, Any]:
    """Return the run as JSON-ready facts; latencies are in milliseconds, null without answers."""
    ordered = sorted(result.latencies)
    mean = sum(ordered) / len(ordered) if ordered else 0.0
    return {
        "loop": "open" if plan.rate else "closed",
        "rate": plan.rate or None,
        "connections": plan.connections,
        "in_flight": sum(plan.in_flight()),
        "seconds": round(result.seconds, 3),
        "requests": result.answers,
        "throughput": round(result.throughput, 1),
        "latency_ms": {
            name: round(percentile(ordered, share) * 1000, 4) if ordered else None
            for name, share in PERCENTILES.items()
        }
        | {"mean": round(mean * 1000, 4) if ordered else None},
        "status_codes": {
            result.kind.name(code): count for code, count in sorted(result.statuses.items())
        },
        "errors": dict(result.errors),
        "unsent": result.unsent,
        "failed": result.failed,
    }


def lines(result: Result, plan: Plan) -> list[str]:
    """Return the run as lines for a person."""
    known = facts(result, plan)
    loop = f"open loop at {plan.rate:g} requests/s" if plan.rate else "closed loop"
    latency = known["latency_ms"]
    several = known["in_flight"] > plan.connections
    shared = f" with {known['in_flight']} calls in flight" if several else ""
    text = [
        f"{loop}, {plan.connections} connection(s){shared}, {result.seconds:.1f} s",
        "",
        f"throughput   {result.throughput:,.1f} requests/s",
    ]
    if result.latencies:
        text += [f"{name:<12} {latency[name]:,.3f} ms" for name in (*PERCENTILES, "mean")]
    text += [f"status {code}   {count:,}" for code, count in known["status_codes"].items()]
    text += [f"error        {count:,} x {reason}" for reason, count in result.errors.items()]
    if result.unsent:
        text.append(
            f"not sent     {result.unsent:,}: the service, or -c, is too small for this rate; "
            "they count in the latencies with the time they waited"
        )
    return [*text, "", *histogram(result.latencies)]


def histogram(latencies: Sequence[float]) -> list[str]:
    """Return one line for each step of latency, with a bar for its share of the answers."""
    if not latencies:
        return []
    counts: dict[int, int] = {}
    for each in latencies:
        bucket = math.floor(math.log10(max(each, 1e-6)) * _BUCKETS_A_DECADE)
        counts[bucket] = counts.get(bucket, 0) + 1
    tallest, total = max(counts.values()), len(latencies)
    text = []
    for bucket in range(min(counts), max(counts) + 1):
        count = counts.get(bucket, 0)
        upto = 10 ** ((bucket + 1) / _BUCKETS_A_DECADE) * 1000
        share = f"{count / total:8.3%}"
        text.append(f"{_milliseconds(upto)} ms {share} {_bar(count / tallest)}".rstrip())
    return text


def _milliseconds(value: float) -> str:
    return f"< {value:>8.3f}" if value < 100 else f"< {value:>8.0f}"


def _bar(share: float) -> str:
    eighths = math.ceil(share * _BAR * 8)
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()
