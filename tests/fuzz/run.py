"""
`make fuzz`: each target for a while, guided by coverage, or so many mutations of the seeds.

An input that fails is left in the current directory; one that was mended belongs in `seeds`.
"""

from __future__ import annotations

import argparse
import logging
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parents[1]), str(HERE.parent)]

_ENOUGH = 10
"""Failures of one target after which the next is tried."""
TARGETS = ("http", "frames", "codec", "http2", "http2_ngh2")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="of each target, guided")
    parser.add_argument("--runs", type=int, default=0, help="mutations, over all targets or one")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--target", choices=TARGETS, help="this one alone, in this process")
    options = parser.parse_args()
    if options.runs:
        names = [options.target] if options.target else TARGETS
        return mutate(names, options.runs, options.seed)
    if options.target:
        guide(options.target, options.seconds)
    own = [sys.executable, __file__, "--seconds", str(options.seconds)]
    runs = [subprocess.run([*own, "--target", each], check=False) for each in TARGETS]
    return max(each.returncode for each in runs)


def guide(name: str, seconds: int) -> None:
    """Fuzz one target with atheris; ends the process."""
    try:
        import atheris  # type: ignore[import-not-found]
    except ImportError:
        sys.exit("atheris is not installed (make fuzz does that); --runs needs none")
    with atheris.instrument_imports(include=["eas_processor", "eas_wire"]):
        from fuzz import targets
    logging.getLogger(targets.LOGGER).setLevel(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as corpus:
        arguments = [
            corpus,
            str(targets.folder(name)),
            f"-max_total_time={seconds}",
            "-max_len=20000",
        ]
        atheris.Setup(
            [sys.argv[0], "-rss_limit_mb=1024", "-timeout=10", *arguments], targets.TARGETS[name]
        )
        atheris.Fuzz()


def mutate(names: Sequence[str], runs: int, seed: int) -> int:
    """Run the mutations; print how many failed, the rate, and the memory on the way."""
    from fuzz import http2_targets, targets

    logging.getLogger(targets.LOGGER).setLevel(logging.CRITICAL)
    failed = 0
    for name in names:
        target = targets.TARGETS[name]
        count, began = runs // len(names), time.monotonic()
        memory, already = [_resident()], failed
        for number, data in enumerate(targets.mutations_for(name, count, seed), 1):
            try:
                target(data)
            except Exception as error:
                failed += 1
                path = Path(f"fuzz-{name}-{number}")
                path.write_bytes(data)
                print(f"{path}: {type(error).__name__}: {error}", flush=True)
                if failed - already == _ENOUGH:
                    break
            if number % max(1, count // 5) == 0:
                memory.append(_resident())
        rate = count / (time.monotonic() - began)
        print(f"{name}: {count} inputs, {rate:.0f}/s, memory in MB {memory}", flush=True)
        for said, times in sorted(http2_targets.allowed.items()):
            print(f"  allowed {times} times: {said}")
    print(f"{failed} failed")
    return min(failed, 1)


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 // 1_000_000


if __name__ == "__main__":
    sys.exit(main())
