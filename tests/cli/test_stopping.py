"""A stop before the engine's loop runs."""

from __future__ import annotations

import signal
import subprocess
import sys

_AS_PROCESS_ONE = """
import os, signal, sys
os.getpid = lambda: 1
from eas_processor.cli import main, runners

def serve(arguments):
    for late in ("uvloop", "httptools", "eas_processor.app.engine"):
        assert late not in sys.modules, late
    signal.raise_signal(signal.SIGTERM)

runners.run_serve = serve
print("ran", main.main(["serve", "service.json"]))
"""


def test_process_one_ends_on_sigterm_before_the_engine_is_imported() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _AS_PROCESS_ONE], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (128 + signal.SIGTERM, "", "")
