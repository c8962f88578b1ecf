"""Running the self-test of a build with the build's own interpreter."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from eas_processor.builds.catalogue import Entry
from eas_processor.builds.extended import Extended
from eas_processor.builds.worker_code import worker_code_directory
from eas_processor.errors import BuildError

_SELF_TEST = Path(__file__).parent / "self_test.py"
_LIMIT_S = 600.0

OnLine = Callable[[str], None]


def check(entry: Entry, python: Path, lock: Path | None, on_line: OnLine, advice: str = "") -> None:
    """
    Test a build, from its files to an answered request; `on_line` is called with each step's line.

    `lock` is None for the engine's own environment, which was not made from a lock. Raises
    BuildError with the message of the failed step and with `advice`, by default how to make the
    build again.
    """
    arguments = [] if lock is None else [str(lock), *_modules(entry)]
    _run(entry, python, arguments, on_line, advice or _again(entry))


def check_import(entry: Entry, python: Path) -> None:
    """Raise BuildError when the build cannot be imported."""
    _run(entry, python, ["--import", *_modules(entry)], lambda line: None, _again(entry))


def _again(entry: Entry) -> str:
    name = entry.name
    return f"`eascmd build {name} --remove` and `eascmd build {name}` make it again"


def _modules(entry: Entry) -> tuple[str, ...]:
    return entry.packages if isinstance(entry, Extended) else ()


def _run(entry: Entry, python: Path, arguments: list[str], on_line: OnLine, advice: str) -> None:
    # The self-test needs no GPU, so it must not depend on whether other processes use one.
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1"}
    # Workers on the engine's own interpreter run without these options too.
    options = [] if str(python) == sys.executable else ["-sE"]
    try:
        done = subprocess.run(
            [str(python), *options, str(_SELF_TEST), str(worker_code_directory()), *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_LIMIT_S,
            text=True,
            errors="replace",
            check=False,
        )
    except OSError as error:
        raise BuildError(f"{entry.name}: {python} cannot be started: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise BuildError(f"{entry.name}: its self-test took more than {_LIMIT_S:.0f} s") from error
    lines = [line for line in done.stdout.splitlines() if line.startswith(("ok ", "FAILED "))]
    for line in lines:
        on_line(line)
    if done.returncode:
        last = (lines or done.stderr.strip().splitlines() or ["it printed nothing"])[-1]
        raise BuildError(
            f"{entry.name} does not pass its self-test (exit status {done.returncode}): {last}; "
            f"{advice}"
        )
