"""The vendor's own client, in an environment of its own: it has our import name."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

from fixtures import need

ROOT = Path(__file__).parents[1]
PYTHON = ROOT / ".venv-vendor" / "bin" / "python"


def vendors_python() -> Path:
    """
    Return the interpreter that has the vendor's client; `make vendor` sets it up if it is missing.

    Needs a Python from 3.8 to 3.11 and a package index.
    """
    done = subprocess.run(["make", "vendor"], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        need.missing(f"the vendor's client cannot be set up: {done.stderr.strip()[-400:]}")
    return PYTHON


def run_script(python: str | Path, script: str, *arguments: Any) -> str:
    """Run `script` with `arguments`; return what it prints."""
    done = subprocess.run(
        [str(python), "-c", script, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        # Neither client sees the other: ours is found by its repository, the vendor's in its venv.
        env={key: value for key, value in os.environ.items() if key != "PYTHONPATH"},
        cwd=Path(python).parents[1] if Path(python) == PYTHON else ROOT,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
