"""
Compares the speed of an old checkout of this repository with that of the present one.

    python -m benchmarks.versus OLD_CHECKOUT [--pairs 20] [--seconds 2] [--rows 'on-*' inline-8]

Both servers run at the same time and are loaded in turn, in short rounds, so that changes of the
machine affect both. Each pair of rounds gives a ratio, new / old. The exit status is 1 if a row
could not be measured.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.checkout import Round, Side, equal, serving
from benchmarks.console import machine, tell
from benchmarks.contender import HERE, Unavailable
from benchmarks.service import make_models
from benchmarks.versus_rows import ALL, SERVICES, choose
from benchmarks.versus_table import Measured, facts, text
from eas_processor.errors import EasError

LABELS = ("old", "new")
WARM_UP_S = 0.5
NEW = HERE.parent


def compare(
    checkouts: Sequence[Path], rows: Sequence[Measured], pairs: int, seconds: float, work: Path
) -> None:
    """Measure rows of one service on both checkouts, and note rows that cannot be measured."""
    name = rows[0].row.service
    with contextlib.ExitStack() as stack:
        sides = []
        for label, checkout in zip(LABELS, checkouts, strict=True):
            tell(f"{name}: starting {label}")
            scratch = work / f"{name}-{label}"
            try:
                server = serving(checkout, SERVICES[name], work / "mlp", scratch)
                sides.append(stack.enter_context(server))
            except (Unavailable, EasError, OSError) as error:
                for each in rows:
                    each.left_out.append(f"{label}: {error}")
                return
        able = [each for each in rows if _prepare(each, sides, seconds)]
        # Each pair covers all rows, so that each row is measured over the whole time.
        for number in range(pairs):
            for each in able:
                _measure(each, sides, number, seconds)


def _prepare(measured: Measured, sides: Sequence[Side], seconds: float) -> bool:
    """Compare the answers, warm both servers up, and return whether the row can be measured."""
    answers = []
    for label, side in zip(LABELS, sides, strict=True):
        tell(f"{measured.row.name}: warming up {label}")
        try:
            answers.append(side.answers(measured.row))
            side.load(measured.row, min(WARM_UP_S, seconds))
        except (Unavailable, EasError, OSError, ValueError, LookupError) as error:
            measured.left_out.append(f"{label}: {error}")
            return False
    if not equal(*answers):
        measured.left_out.append("old and new give different answers")
        return False
    return True


def _measure(measured: Measured, sides: Sequence[Side], number: int, seconds: float) -> None:
    rounds: dict[int, Round] = {}
    for side in (0, 1) if number % 2 == 0 else (1, 0):
        what = f"pair {number + 1}, {LABELS[side]}"
        tell(f"{measured.row.name}: {what}")
        try:
            rounds[side] = sides[side].load(measured.row, seconds)
        except (Unavailable, EasError, OSError) as error:
            measured.left_out.append(f"{what}: {error}")
            return
    measured.pairs[number] = rounds[0], rounds[1]


def described(checkout: Path) -> str:
    """Return the path of a checkout, with its commit if it has one."""
    command = ["git", "-C", str(checkout), "describe", "--always", "--dirty"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return f"{checkout} {done.stdout.strip()}".rstrip()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.versus", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("old", type=Path, metavar="OLD_CHECKOUT")
    parser.add_argument("--pairs", type=int, default=20, help="of each row (default: 20)")
    parser.add_argument("--seconds", type=float, default=2.0, help="of a round (default: 2)")
    names = ", ".join(row.name for row in ALL)
    parser.add_argument("--rows", nargs="+", default=["*"], help=f"names or patterns of {names}")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every round there")
    options = parser.parse_args()
    if not (options.old / "eas_processor" / "__init__.py").exists():
        parser.error(f"{options.old} is no checkout of this repository: it has no eas_processor")
    if options.pairs < 1 or options.seconds <= 0:
        parser.error("--pairs and --seconds must be above 0")
    if options.json and not options.json.parent.is_dir():
        parser.error(f"--json: there is no directory {options.json.parent}")
    try:
        options.rows = [Measured(row) for row in choose(options.rows)]
    except ValueError as error:
        parser.error(str(error))
    options.old = options.old.resolve()
    return options


def main() -> int:
    """Compare, print the table, and write the figures if asked to."""
    options = _options()
    rows = options.rows
    # SIGTERM raises an exception, so that running servers are ended.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    head = {"old": described(options.old), "new": described(NEW), "machine": machine()}
    head |= {"pairs": options.pairs, "seconds": options.seconds}
    # When it is interrupted, it prints the results so far.
    with (
        contextlib.suppress(KeyboardInterrupt),
        tempfile.TemporaryDirectory(prefix="eas-versus-") as scratch,
    ):
        work = Path(scratch)
        tell("making the models")
        make_models(work)
        for name in SERVICES:
            if group := [each for each in rows if each.row.service == name]:
                compare((options.old, NEW), group, options.pairs, options.seconds, work)
    tell("")
    print("\n".join(f"{name}: {value}" for name, value in head.items()), text(rows), sep="\n\n")
    if options.json:
        options.json.write_text(json.dumps(head | facts(rows), indent=1) + "\n")
    return 0 if all(each.pairs for each in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
