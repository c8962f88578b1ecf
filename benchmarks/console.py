"""Descriptions of the machine and of progress, for the benchmarks."""

from __future__ import annotations

import contextlib
import os
import platform
import sys
from pathlib import Path

from tools.python_probe import build, measure


def machine() -> str:
    """Return processor, cores, memory, system and Python in a line; builds of Python differ."""
    model = platform.processor() or platform.machine()
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(line for line in lines if line.startswith("model name")).partition(": ")[2]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    system = f"{platform.system()} {platform.release()}"
    loop = f"{measure() / 1000:.1f} ms for the loop of tools/python_probe.py"
    python = f"Python {platform.python_version()} from {sys.base_prefix} ({build()} build, {loop})"
    return f"{model}, {os.cpu_count()} cores, {memory:.0f} GB; {system}; {python}"


def tell(text: str) -> None:
    """Print progress, if stderr is a terminal."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)
