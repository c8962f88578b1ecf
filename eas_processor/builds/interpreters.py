"""Finding the Python that a build runs on, among those that are installed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from eas_processor.errors import BuildError
from eas_processor.home import home, user_home

UV_OLDEST = (3, 8)
"""The oldest Python that uv can fetch."""

_PROBE_S = 20.0
# The interpreter of a virtual environment has another prefix. Its base is used, which outlives it.
_PROBE = """
import json, os, sys, sysconfig
base = os.path.join(sys.base_prefix, "bin", "python%d.%d" % sys.version_info[:2])
print(json.dumps({
    "executable": base if os.path.exists(base) else sys.executable,
    "version": "%d.%d.%d" % sys.version_info[:3],
    "platform": sysconfig.get_platform(),
    "libc": sysconfig.get_config_var("HOST_GNU_TYPE") or "",
}))
"""
_CONDA_HOMES = ("miniconda3", "anaconda3", "miniforge3", "mambaforge", "micromamba", "conda")


@dataclass(frozen=True)
class Interpreter:
    """A Python: its absolute path, which is not a shim, and its version."""

    path: Path
    version: str


def find_interpreter(name: str, pythons: tuple[str, ...]) -> Interpreter:
    """
    Return an interpreter of the first of the versions `pythons` that is installed.

    Raises BuildError, which says where it looked and how to get one for the build `name`.
    """
    for python in pythons:
        for candidate in _candidates(python):
            found = probe(candidate)
            if found is not None and _is(found, python):
                return found
    raise BuildError(_missing(name, pythons))


def probe(path: Path) -> Interpreter | None:
    """Return the interpreter behind `path`, or None if it does not run on this machine."""
    try:
        done = subprocess.run(
            [str(path), "-sE", "-c", _PROBE],
            capture_output=True,
            check=True,
            timeout=_PROBE_S,
            text=True,
        )
        facts = json.loads(done.stdout)
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    if facts["platform"] != "linux-x86_64" or "musl" in facts["libc"]:
        return None
    return Interpreter(path=Path(facts["executable"]), version=facts["version"])


def _is(found: Interpreter, python: str) -> bool:
    return found.version.split(".")[:2] == python.split(".")


def variable(python: str) -> str:
    """Return the environment variable that names the interpreter of this version."""
    return f"EAS_PYTHON_{python.replace('.', '_')}"


def _candidates(python: str) -> Iterator[Path]:
    if named := os.environ.get(variable(python)):
        found = probe(Path(named))
        if found is None or not _is(found, python):
            what = f"Python {found.version}" if found else "no Python that runs here"
            raise BuildError(f"{variable(python)}={named} is {what}, expected Python {python}")
        yield Path(named)
    if python == f"{sys.version_info[0]}.{sys.version_info[1]}":
        yield Path(sys.executable)
    seen = set()
    for path in (*_on_path(python), *_elsewhere(python)):
        if path not in seen and os.access(path, os.X_OK):
            seen.add(path)
            yield path


def _on_path(python: str) -> Iterator[Path]:
    for directory in _path():
        for name in (f"python{python}", "python3", "python"):
            yield directory / name


def _path() -> list[Path]:
    return [Path(each) for each in os.get_exec_path() if Path(each).is_absolute()]


def _elsewhere(python: str) -> Iterator[Path]:
    executable = f"bin/python{python}"
    for root in pyenv_roots():
        yield from _newest_first(root.glob(f"versions/{python}.*/{executable}"))
    for directory in _uv_directories():
        yield from _newest_first(directory.glob(f"cpython-{python}*-linux-x86_64-gnu/{executable}"))
    for root in _conda_roots():
        yield root / executable
        yield from sorted(root.glob(f"envs/*/{executable}"))


def _newest_first(paths: Iterator[Path]) -> list[Path]:
    def version(path: Path) -> list[int]:
        name = path.parent.parent.name.removeprefix("cpython-").partition("-")[0]
        return [int(part) if part.isdigit() else 0 for part in name.split(".")]

    return sorted(paths, key=version, reverse=True)


def pyenv_roots() -> list[Path]:
    """Return where pyenv may be: as configured, as on PATH, and around the running Python."""
    user = user_home()
    roots = [] if user is None else [user / ".pyenv"]
    if configured := os.environ.get("PYENV_ROOT"):
        roots.insert(0, Path(configured))
    roots += [path.parent for path in _path() if path.name == "shims"]
    if Path(sys.base_prefix).parent.name == "versions":
        roots.append(Path(sys.base_prefix).parent.parent)
    return list(dict.fromkeys(roots))


def fetched_pythons() -> Path:
    """Return the directory of the interpreters that uv downloaded."""
    return home() / "pythons"


def _uv_directories() -> list[Path]:
    directories = [fetched_pythons()]
    user = user_home()
    if data := os.environ.get("XDG_DATA_HOME"):
        directories.append(Path(data) / "uv" / "python")
    elif user is not None:
        directories.append(user / ".local" / "share" / "uv" / "python")
    if configured := os.environ.get("UV_PYTHON_INSTALL_DIR"):
        directories.insert(0, Path(configured))
    return directories


def _conda_roots() -> list[Path]:
    parents = [each for each in (user_home(), Path("/opt")) if each is not None]
    roots = [parent / name for parent in parents for name in _CONDA_HOMES]
    if prefix := os.environ.get("CONDA_PREFIX"):
        roots.insert(0, Path(prefix))
    if executable := os.environ.get("CONDA_EXE"):
        roots.insert(0, Path(executable).parent.parent)
    return roots


def _missing(name: str, pythons: tuple[str, ...]) -> str:
    wanted, newest = " or ".join(pythons), pythons[0]
    pyenv = " and ".join(str(root) for root in pyenv_roots()) or "directory"
    release = {"3.6": "3.6.15", "3.7": "3.7.17"}.get(newest, newest)
    if tuple(int(part) for part in newest.split(".")) >= UV_OLDEST:
        get = f"`eascmd build {name} --fetch-python` has uv download it"
    else:
        get = f"`pyenv install {release}` or `conda create -n py{newest} python={newest}` gets it"
    return (
        f"{name} needs Python {wanted} for glibc on x86-64, and none was found (looked on PATH, in "
        f"pyenv's {pyenv}, and where uv and conda keep theirs); {get}, or set "
        f"{variable(newest)}=/path/to/python{newest}"
    )
