"""`make install` takes the fastest Python that it finds, and says which and why."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Faster than any real interpreter, such as that of /usr, which is always among the candidates.
FAST, ALMOST_AS_FAST, SLOW = 100, 108, 150


def interpreter(path: Path, microseconds: int, *, kind: str = "optimised", status: int = 0) -> Path:
    """Write what answers as an interpreter does to `tools/python_probe.py`."""
    line = f"{path}\\t3.11.9\\t{kind}\\t{microseconds}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        "#!/bin/sh\n"
        f'[ "$2" != --choose ] || exec {sys.executable} "$@"\n'
        f'[ "$1" != --version ] || exec echo "Python 3.9.1"\n'
        f"[ {status} = 0 ] || exit {status}\n"
        f"printf '{line}\\n'\n"
    )
    path.chmod(0o755)
    return path


def choose(tmp_path: Path, *arguments: object) -> tuple[str, str]:
    """Return what the script prints, and what it says on stderr."""
    environment = {
        "PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin",
        "HOME": str(tmp_path),
        "PYENV_ROOT": str(tmp_path / "pyenv"),
    }
    command = ["bash", str(ROOT / "tools" / "choose_python.sh"), *map(str, arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode == 0) == bool(done.stdout), done.stderr
    return done.stdout.strip(), done.stderr


@pytest.mark.parametrize(
    "where",
    [
        "bin/python3.12",
        "pyenv/versions/3.12.9/bin/python3",
        ".local/share/uv/python/cpython-3.12.9-linux-x86_64-gnu/bin/python3",
    ],
)
def test_the_fastest_is_taken_wherever_it_is(tmp_path: Path, where: str) -> None:
    slow = interpreter(tmp_path / "bin" / "python3", 1000 * FAST, kind="plain")
    fast = interpreter(tmp_path / where, FAST)
    taken, said = choose(tmp_path)
    assert taken == str(fast)
    why = f"which is 1000.0 times as fast in a test loop as {slow}"
    assert said.startswith(f"make: taking {fast}, Python 3.11.9, {why}; PYTHON=/path/to")


def test_the_first_on_path_wins_among_equals(tmp_path: Path) -> None:
    first = interpreter(tmp_path / "bin" / "python3", ALMOST_AS_FAST)
    interpreter(tmp_path / "pyenv" / "versions" / "3.13.1" / "bin" / "python3", FAST)
    taken, said = choose(tmp_path)
    assert taken == str(first)
    assert said == f"make: taking {first}, Python 3.11.9\n"


def test_a_plain_build_comes_with_what_to_do(tmp_path: Path) -> None:
    interpreter(tmp_path / "bin" / "python3", FAST, kind="plain")
    said = choose(tmp_path)[1]
    assert "built without optimisations" in said
    assert "uv python install" in said


def test_one_that_makes_no_environments_is_passed_over(tmp_path: Path) -> None:
    bare = interpreter(tmp_path / "bin" / "python3", FAST, status=4)
    other = interpreter(tmp_path / "bin" / "python3.11", SLOW)
    taken, said = choose(tmp_path)
    assert taken == str(other)
    assert f"passing over {bare}: it has no module venv" in said
    assert "apt install python3-venv" in said


def test_the_one_that_is_named_is_taken(tmp_path: Path) -> None:
    interpreter(tmp_path / "bin" / "python3", FAST)
    named = interpreter(tmp_path / "elsewhere" / "python", SLOW)
    assert choose(tmp_path, named)[0] == str(named)


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        (3, "is Python 3.9.1; the engine needs Python 3.11 to 3.13"),
        (4, "has no module venv or ensurepip"),
        (1, "is not a Python that runs"),
    ],
)
def test_one_that_is_named_and_does_not_do_is_refused(
    tmp_path: Path, status: int, sentence: str
) -> None:
    named = interpreter(tmp_path / "elsewhere" / "python", SLOW, status=status)
    taken, said = choose(tmp_path, named)
    assert taken == ""
    assert f"PYTHON={named} {sentence}" in said
    assert "make install PYTHON=/path/to/python3" in said


def test_this_interpreter_answers_the_probe() -> None:
    command = [sys.executable, str(ROOT / "tools" / "python_probe.py")]
    path, version, kind, microseconds = subprocess.check_output(command, text=True).split("\t")
    assert os.access(path, os.X_OK)
    assert version == platform.python_version()
    assert kind in ("optimised", "plain", "unknown")
    assert int(microseconds) > 10
