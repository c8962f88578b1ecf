"""
Make the development environment. `make install` runs this with the Python that it has chosen.

    python3 tools/install.py DIRECTORY [--no-lock]

It installs the packages of tools/locks/development.txt. With `--no-lock`, or if the index lacks one
of the locked files, it installs the newest packages that pyproject.toml permits. A file with
another hash ends the installation, because an attacker may have changed it.

uv installs them in a fifth of pip's time. If uv fails, pip does it. The index is that of pip's
configuration.

It does nothing if DIRECTORY already has these packages, because most changes of pyproject.toml only
concern the settings of tools.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "tools" / "locks" / "development.txt"
EVERYTHING = f"{ROOT}[server,tensorflow,examples,dev]"
MINUTE = 60.0
MISMATCH = "DO NOT MATCH THE HASHES"  # in the words of pip


def main() -> None:
    """Make the environment that the command line names."""
    parser = argparse.ArgumentParser(description="Make the development environment.")
    parser.add_argument("directory", type=Path)
    parser.add_argument("--no-lock", action="store_true", help="the newest packages in the ranges")
    options = parser.parse_args()
    directory = options.directory.absolute()
    lock = None if options.no_lock or not LOCK.exists() else LOCK
    mark = directory / ".requirements"
    wanted = digest(lock)
    if mark.exists() and mark.read_text() == wanted and works(directory):
        return
    say(f"setting up {options.directory}")
    started = time.monotonic()
    with heartbeat():
        make_environment(directory)
        install(directory / "bin" / "python", lock)
    mark.write_text(wanted)
    say(f"{options.directory} is ready after {time.monotonic() - started:.0f} s")


def digest(lock: Path | None) -> str:
    """Return a hash of all that decides the environment: requirements, Python and lock."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    parts = [sys.executable, sys.version, project]
    parts.append(lock.read_text(encoding="utf-8") if lock else "")
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def works(directory: Path) -> bool:
    """Return whether the environment's Python still runs. Its base may have been removed."""
    command = [str(directory / "bin" / "python"), "-c", "import eas_processor"]
    try:
        return subprocess.run(command, cwd="/", capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def make_environment(directory: Path) -> None:
    """Create a virtual environment with the newest pip, and with uv if the index has it."""
    done = subprocess.run([sys.executable, "-m", "venv", "--clear", str(directory)], check=False)
    if done.returncode:
        end(f"{sys.executable} cannot create {directory} (on Debian: apt install python3-venv)")
    python = directory / "bin" / "python"
    pip(python, "--quiet", "--upgrade", "pip")
    pip(python, "--quiet", "uv")


def install(python: Path, lock: Path | None) -> None:
    """Install the locked packages, or else those that pyproject.toml names."""
    if lock and add(python, "--require-hashes", "--requirement", str(lock)):
        if add(python, "--no-deps", "--no-build-isolation", "--editable", str(ROOT)):
            return
    elif lock:
        say(f"this package index lacks files of {lock.relative_to(ROOT)}: installing the newest")
    if not add(python, "--editable", EVERYTHING):
        end("the packages cannot be installed; the lines above say why")


def add(python: Path, *what: str) -> bool:
    """Install packages with uv, or with pip if uv fails; return whether one of them did."""
    environment = os.environ | of_pip(python)
    quiet = [] if sys.stderr.isatty() else ["--quiet"]
    uv = [str(python.with_name("uv")), "pip", "install", "--python", str(python), *quiet]
    try:
        done = subprocess.run([*uv, *what], env=environment, cwd=ROOT, check=False)
    except OSError:
        return pip(python, *quiet, *what)
    return done.returncode == 0 or pip(python, *quiet, *what)


def pip(python: Path, *what: str) -> bool:
    """Run `pip install`; return whether it succeeded. Exit if a file has another hash."""
    command = [str(python), "-m", "pip", "install", *what]
    environment = os.environ | {"PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        command, env=environment, cwd=ROOT, stderr=subprocess.PIPE, text=True, check=False
    )
    sys.stderr.write(done.stderr)
    if MISMATCH in done.stderr:
        end(
            f"the index has another file than {LOCK.relative_to(ROOT)} names, as the lines above "
            "say. If you trust it: make install LOCK=no"
        )
    return done.returncode == 0


def of_pip(python: Path) -> dict[str, str]:
    """Return uv's settings for the index that pip is configured for, unless uv has its own."""
    found = subprocess.run(
        [str(python), "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
    )
    settings = {
        key.rpartition(".")[2]: value.strip("'\"")
        for key, _, value in (line.partition("=") for line in found.stdout.splitlines())
    }
    names = {"index-url": "UV_DEFAULT_INDEX", "cert": "SSL_CERT_FILE"}
    return {
        name: settings[key]
        for key, name in names.items()
        if key in settings and name not in os.environ
    }


@contextmanager
def heartbeat() -> Iterator[None]:
    """Print a line every minute if there is no terminal for a progress bar."""
    over = threading.Event()

    def beat() -> None:
        started = time.monotonic()
        while not over.wait(MINUTE):
            say(f"still installing, after {(time.monotonic() - started) / 60:.0f} min")

    if not sys.stderr.isatty():
        threading.Thread(target=beat, daemon=True).start()
    try:
        yield
    finally:
        over.set()


def say(text: str) -> None:
    """Print a line to stderr."""
    print(f"make: {text}", file=sys.stderr, flush=True)


def end(text: str) -> None:
    """Exit with an error."""
    raise SystemExit(f"make: {text}")


if __name__ == "__main__":
    main()
