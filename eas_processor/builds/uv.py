"""Run uv: find it, watch it, and turn its errors into one sentence."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from eas_processor.errors import BuildError

OnProgress = Callable[[float], None]
"""Is called with the megabytes that were written so far."""

# The kernel ends uv with its parent, so that no orphan keeps writing to a build.
_DIE_WITH_PARENT = (
    "import ctypes, os, sys; ctypes.CDLL(None).prctl(1, 9); "
    "os.getppid() == int(sys.argv[1]) and os.execv(sys.argv[2], sys.argv[2:])"
)
_POLL_S = 0.1
# uv draws the chain of causes with symbols.
_ORNAMENTS = re.compile(r"^[^\w`'\"<(./]+|^error:\s*|^\s*Caused by:\s*")
# Before the error, uv prints where it works and what succeeded.
_WHERE = re.compile(r"Using (CPython|Python) |(Resolved|Prepared) \d")
_HASH = re.compile(r"Hash mismatch for `([^`]+)`.*?Expected:(.*?)Computed:\s*(\S+)", re.DOTALL)


def uv() -> str:
    """Return the path of uv; raises BuildError if it is not installed."""
    try:
        from uv import find_uv_bin

        return str(find_uv_bin())
    except (ImportError, FileNotFoundError):
        if found := shutil.which("uv"):
            return found
    raise BuildError(
        f"uv, which makes processor builds, is not installed; get it with: "
        f"{sys.executable} -m pip install uv"
    )


def run_uv(
    name: str,
    arguments: Sequence[str],
    *,
    directory: Path,
    lock: int | None = None,
    progress: OnProgress | None = None,
    environment: dict[str, str] | None = None,
    failure: str = "cannot be made",
) -> None:
    """
    Run uv in `directory` for the build `name`.

    uv inherits the descriptor of the lock file, if there is one. Raises BuildError with uv's error.
    """
    command = [sys.executable, "-ISc", _DIE_WITH_PARENT, str(os.getpid()), uv(), *arguments]
    with subprocess.Popen(
        command,
        cwd=directory,
        env=_environment() | (environment or {}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        pass_fds=[] if lock is None else [lock],
        text=True,
        errors="replace",
    ) as process:
        said: list[str] = []
        assert process.stderr is not None
        # A process that exits waits for its threads, unless they are daemons.
        reader = threading.Thread(target=said.extend, args=(process.stderr,), daemon=True)
        reader.start()
        try:
            while process.poll() is None:
                if progress is not None:
                    progress(_written(process.pid))
                time.sleep(_POLL_S)
        except BaseException:
            process.kill()
            raise
        finally:
            reader.join()
    if process.returncode:
        raise BuildError(f"{name} {failure}: {explain(''.join(said))}")


def _environment() -> dict[str, str]:
    # A build must not depend on the environment that is activated.
    left_out = ("VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONPATH", "PYTHONHOME")
    return {name: value for name, value in os.environ.items() if name not in left_out}


def _written(pid: int) -> float:
    """Return the megabytes that a process has written, mostly to disk."""
    try:
        with open(f"/proc/{pid}/io", encoding="ascii") as file:
            facts = dict(line.split(": ") for line in file)
        return int(facts["wchar"]) / 1e6
    except (OSError, ValueError, KeyError):
        return 0.0


def explain(said: str) -> str:
    """Return what uv printed as one sentence."""
    if mismatch := _HASH.search(said):
        package, expected, computed = mismatch.groups()
        wanted = " or ".join(re.findall(r"sha256:\w+", expected)) or "none"
        return (
            f"what was downloaded for {package} is not what the lock names, and was refused "
            f"(expected {wanted}, got {computed})"
        )
    lines = [_ORNAMENTS.sub("", line).strip() for line in said.splitlines()]
    told = [line for line in lines if line and not _WHERE.match(line)]
    return ": ".join(told)[-1500:] or "uv failed without a word"
