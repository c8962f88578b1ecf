"""`eascmd processor`: a processor's file as a script, without a service file."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from eas_processor.app.engine import Offer, run
from eas_processor.app.hosting import Source
from eas_processor.app.script import Script
from eas_processor.cli.announce import announce
from eas_processor.config import Token
from eas_processor.contracts.settings import EngineSettings, ServiceSettings
from eas_processor.errors import StartError
from eas_processor.home import have_temporary_directory, private_directory
from eas_processor.processors.entry import find_entry_file
from eas_processor.whole_file import write_whole
from eas_processor.worker.python_file import defines_hooks
from eas_processor.worker.vendor_modules import allspark

# Imports of a large framework take up to 13 s on a busy machine of two cores.
ASK_SECONDS = 120.0


def run_script(
    file: Path,
    arguments: Sequence[str],
    *,
    python: Path,
    model: Path | None = None,
    host: str | None = None,
    port: int | None = None,
    asked: str = "",
) -> None:
    """
    Serve a processor's file, or that of a directory, until SIGTERM or Ctrl-C. Raises SetupError.

    `host` and `port` override the address in the script's call of `run()`. `asked` has the
    arguments of that call as JSON. If it is empty, the script is run once to learn them.
    """
    have_temporary_directory()
    path = _entry(file)
    known = json.loads(asked) if asked else _ask(path, python, arguments)
    script = Script(path, python, (model or path.parent).absolute(), known, arguments)
    own_host, own_port = script.endpoint()
    settings = EngineSettings(
        host=own_host if host is None else host,
        port=own_port if port is None else port,
        any_path=True,
    )
    run(settings, Offer([script]), partial(_announce, script))


def print_path() -> None:
    """Print the directory for PYTHONPATH with which any Python imports this `allspark`."""
    print(_vendor_directory())


def _entry(file: Path) -> Path:
    if file.is_dir():
        return find_entry_file(file.absolute(), "", "python")[0]
    if not file.exists():
        raise StartError(f"{file}: no such file")
    if file.suffix != ".py":
        raise StartError(f"{file}: expected a Python file (.py), or a directory with one")
    return file.absolute()


def _ask(path: Path, python: Path, arguments: Sequence[str]) -> dict[str, str]:
    """Return the arguments of the script's call of `run()`, none if it has no such call."""
    try:
        if defines_hooks(ast.parse(path.read_bytes(), str(path))):
            return {}
    except (SyntaxError, ValueError):
        return {}  # the worker reports the error
    ours, theirs = os.pipe()
    modules = [str(_vendor_directory()), os.environ.get("PYTHONPATH", "")]
    environment = os.environ | {
        allspark.PROBE: str(theirs),
        "PYTHONPATH": os.pathsep.join(filter(None, modules)),
    }
    with open(ours, "rb") as pipe:
        try:
            subprocess.run(
                [python, path, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=[theirs],
                env=environment,
                check=False,
                timeout=ASK_SECONDS,
            )
        except subprocess.TimeoutExpired as error:
            raise StartError(
                f"{path}: expected a call of its processor's run() within {ASK_SECONDS:g} s; a "
                "script that serves by itself or waits before that call cannot be served"
            ) from error
        except OSError as error:
            raise StartError(f"{python} cannot be started: {error.strerror}") from error
        finally:
            os.close(theirs)
        asked: dict[str, str] = json.loads(pipe.read() or b"{}")
    return asked


def _vendor_directory() -> Path:
    """Return a directory with this `allspark`, and with the path of this engine for it."""
    directory = private_directory("allspark")
    source = Path(allspark.__file__).read_bytes()
    write_whole(directory / "allspark.py", source)
    write_whole(directory / allspark.ENGINE_FILE, sys.executable.encode())
    return directory


def _announce(
    script: Script, address: str, source: Source, settings: ServiceSettings, signature: str
) -> None:
    announce(address, settings.name, Token(""), signature)
