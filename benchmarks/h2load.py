"""Runs h2load, the load generator of nghttp2, with one thread for a given time."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from benchmarks.contender import Unavailable
from benchmarks.in_turn import Figures

_DONE = re.compile(r"(\d+) done, (\d+) succeeded, (\d+) failed, (\d+) errored")
_DATA = re.compile(r"\((\d+)\) data")
_RATE = re.compile(r"([\d.]+) req/s,")


def missing() -> str:
    """Return why h2load cannot be used, '' if it can."""
    if shutil.which("h2load"):
        return ""
    return "h2load is not installed: it is in Debian's package nghttp2-client"


def h2load(
    url: str,
    body: Path,
    headers: Mapping[str, str],
    seconds: float,
    *,
    connections: int = 1,
    streams: int = 1,
    http1: bool = False,
    answer: int = 0,
) -> Figures:
    """
    Send the content of a file to a URL, and return `throughput` in requests/s and `requests`.

    h2load checks only HTTP statuses, and refusals by gRPC have status 200. So the received bytes
    are compared with `answer`, a good answer with its prefix. Raises Unavailable if a request
    fails.
    """
    if reason := missing():
        raise Unavailable(reason)
    # h2load refuses fractions of a second.
    options = ["-D", str(max(1, round(seconds))), "-t", "1", "-c", str(connections)]
    options += ["--h1"] if http1 else ["-m", str(streams)]
    for name, value in headers.items():
        options += ["-H", f"{name}: {value}"]
    command = ["h2load", *options, "-d", str(body), url]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    counts, rate = _DONE.search(done.stdout), _RATE.search(done.stdout)
    if done.returncode or not counts or not rate:
        raise Unavailable(f"h2load failed: {(done.stderr or done.stdout).strip()[-300:]}")
    total, good, *bad = map(int, counts.groups())
    if not total or good < total or any(bad):
        raise Unavailable(f"h2load: {counts.group()}")
    data = _DATA.search(done.stdout)
    if answer and (not data or int(data.group(1)) < total * answer):
        raise Unavailable(
            f"h2load: {total} answers of {answer} bytes came to {data and data.group()}"
        )
    return {"throughput": float(rate.group(1)), "requests": float(total)}
