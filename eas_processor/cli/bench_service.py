"""A service that runs during a benchmark."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from eas_processor.errors import BenchError

_STOP_S = 60


@dataclass(frozen=True)
class RunningService:
    """The URL of a service, its token ('' for none), and the process of its engine."""

    url: str
    token: str
    pid: int


@contextlib.contextmanager
def running(path: Path, options: Sequence[str] = ()) -> Iterator[RunningService]:
    """Serve a service file on a free port, in a process of its own. Raises BenchError."""
    command = [sys.executable, "-m", "eas_processor.cli", "serve", str(path), "--port", "0"]
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            [*command, *options], stdout=subprocess.PIPE, stderr=errors, text=True
        )
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line:
                process.wait(_STOP_S)
                errors.seek(0)
                raise BenchError(f"the service did not start:\n{errors.read().strip()}")
            event = json.loads(line)
            path_of_token = event["token_file"]
            token = Path(path_of_token).read_text().strip() if path_of_token else ""
            yield RunningService(event["url"], token, process.pid)
        finally:
            _stop(process)


def _stop(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.communicate(timeout=_STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
