from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from eas_processor.builds import interpreters
from eas_processor.builds.interpreters import find_interpreter, probe, variable
from eas_processor.errors import BuildError
from tests.builds.conftest import PYTHON


def script(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def pretend(path: Path, version: str, **facts: str) -> Path:
    """Write a program that answers the probe as a Python of `version` does."""
    platform = facts.get("platform", "linux-x86_64")
    libc = facts.get("libc", "x86_64-pc-linux-gnu")
    answer = f'"executable": "{path}", "version": "{version}", "platform": "{platform}"'
    return script(path, f'echo \'{{{answer}, "libc": "{libc}"}}\'')


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine on which no Python is installed but ours."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("EAS_HOME", str(tmp_path / "eas"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    for name in ("PYENV_ROOT", "CONDA_PREFIX", "CONDA_EXE", "UV_PYTHON_INSTALL_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setattr(interpreters.sys, "base_prefix", str(tmp_path / "none"))
    return tmp_path


def test_our_own_python_is_followed_to_its_base() -> None:
    found = probe(Path(sys.executable))
    assert found is not None
    assert found.version == ".".join(map(str, sys.version_info[:3]))
    assert found.path.is_absolute()


def test_a_shim_is_followed_to_the_interpreter(machine: Path) -> None:
    shim = script(machine / "bin" / f"python{PYTHON}", f'exec {sys.executable} "$@"')
    found = probe(shim)
    assert found is not None
    assert found.path != shim


@pytest.mark.parametrize(
    "place",
    [
        "bin/python3.77",
        "bin/python3",
        ".pyenv/versions/3.77.2/bin/python3.77",
        ".local/share/uv/python/cpython-3.77.2-linux-x86_64-gnu/bin/python3.77",
        "eas/pythons/cpython-3.77.2-linux-x86_64-gnu/bin/python3.77",
        "miniconda3/bin/python3.77",
        "miniforge3/envs/old/bin/python3.77",
    ],
)
def test_looks_in_the_usual_places(machine: Path, place: str) -> None:
    path = pretend(machine / place, "3.77.2")
    assert find_interpreter("some", ("3.77",)).path == path


def test_the_newest_of_pyenv_is_taken(machine: Path) -> None:
    for patch in (2, 10, 9):
        pretend(machine / f".pyenv/versions/3.77.{patch}/bin/python3.77", f"3.77.{patch}")
    assert find_interpreter("some", ("3.77",)).version == "3.77.10"


def test_the_variable_comes_first(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(machine / "bin" / "python3.77", "3.77.1")
    mine = pretend(machine / "mine", "3.77.9")
    monkeypatch.setenv("EAS_PYTHON_3_77", str(mine))
    assert variable("3.77") == "EAS_PYTHON_3_77"
    assert find_interpreter("some", ("3.77",)).path == mine


@pytest.mark.parametrize(
    ("version", "what"), [("3.6.1", "Python 3.6.1"), ("", "no Python that runs here")]
)
def test_a_variable_that_names_another(
    machine: Path, monkeypatch: pytest.MonkeyPatch, version: str, what: str
) -> None:
    path = pretend(machine / "mine", version) if version else machine / "none-there"
    monkeypatch.setenv("EAS_PYTHON_3_77", str(path))
    with pytest.raises(BuildError) as error:
        find_interpreter("some", ("3.77",))
    assert str(error.value) == f"EAS_PYTHON_3_77={path} is {what}, expected Python 3.77"


@pytest.mark.parametrize("facts", [{"platform": "linux-aarch64"}, {"libc": "x86_64-pc-linux-musl"}])
def test_one_for_another_machine_or_library_is_passed_over(
    machine: Path, facts: dict[str, str]
) -> None:
    pretend(machine / "bin" / "python3.77", "3.77.2", **facts)
    with pytest.raises(BuildError, match="none was found"):
        find_interpreter("some", ("3.77",))


@pytest.mark.parametrize(
    ("python", "how"),
    [
        ("3.6", "`pyenv install 3.6.15` or `conda create -n py3.6 python=3.6` gets it"),
        ("3.77", "`eascmd build some --fetch-python` has uv download it"),
    ],
)
def test_where_it_looked_and_how_to_get_one(machine: Path, python: str, how: str) -> None:
    with pytest.raises(BuildError) as error:
        find_interpreter("some", (python,))
    said = str(error.value)
    assert said.startswith(f"some needs Python {python} for glibc on x86-64, and none was found")
    assert os.path.join(str(machine), ".pyenv") in said
    assert how in said
