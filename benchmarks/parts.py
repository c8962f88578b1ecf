"""The command line and the output of a benchmark with several parts."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.console import machine, tell
from benchmarks.contender import Unavailable
from benchmarks.in_turn import Rounds
from benchmarks.service import make_models
from eas_processor.errors import EasError

Found = tuple[dict[str, Rounds], list[str]]
"""The rounds of a part by name, and the lines to print."""
Part = Callable[[Path, int, float], Found]
"""Measures a part, given a directory with the models, the number of rounds and their seconds."""


def run_parts(
    name: str, description: str | None, parts: Mapping[str, Part], models: Sequence[str] = ()
) -> int:
    """
    Measure, print, and write the figures if asked to. Return 1 if a part cannot be measured.

    `models` are the options of `make_models`.
    """
    options = _options(name, description, parts)
    # SIGTERM raises an exception, so that running servers are ended.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    facts: dict[str, Any] = {"machine": machine(), "seconds": options.seconds}
    print(f"machine: {facts['machine']}", flush=True)
    failed = False
    with tempfile.TemporaryDirectory(prefix="eas-parts-") as scratch:
        tell("making the models")
        make_models(Path(scratch), *models)
        for part in options.parts:
            try:
                found, lines = parts[part](Path(scratch), options.rounds, options.seconds)
                facts |= found
            except (Unavailable, EasError) as error:
                failed, lines = True, [f"  not measured: {error}"]
            tell("")
            print(part, *lines, sep="\n", flush=True)
    if options.json:
        options.json.write_text(json.dumps(facts, indent=1) + "\n")
    return int(failed)


def _options(name: str, description: str | None, parts: Mapping[str, Part]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=name, description=description)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--parts", nargs="+", choices=parts, default=list(parts))
    parser.add_argument("--rounds", type=int, default=10, help="of each server (default: 10)")
    parser.add_argument("--seconds", type=float, default=2.0, help="of a round (default: 2)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every round there")
    return parser.parse_args()
