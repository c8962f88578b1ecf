"""What a worker may know of the engine's environment."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from eas_processor.instances.environment import (
    python_environment,
    python_options,
    utf8_locale,
    worker_environment,
)


@pytest.mark.parametrize(
    "name",
    ["PATH", "HOME", "LC_ALL", "TF_CPP_MIN_LOG_LEVEL", "NVIDIA_VISIBLE_DEVICES", "LD_LIBRARY_PATH"],
)
def test_what_programs_and_tensorflow_need_is_passed_on(name: str) -> None:
    assert worker_environment({name: "x"}) == {name: "x"}


@pytest.mark.parametrize(
    "name",
    [
        "EAS_TOKEN",
        "AWS_SECRET_ACCESS_KEY",
        "OSS_ACCESS_KEY_SECRET",
        "GITHUB_TOKEN",
        "http_proxy",
        "EAS_WORKER_ENV",
        "PYTHONSTARTUP",
        "SSH_AUTH_SOCK",
        "PATHS",
        "TF_TOKEN_app_terraform_io",
        "TF_VAR_db_password",
        "NVIDIA_API_KEY",
    ],
)
def test_what_may_be_a_secret_is_not(name: str) -> None:
    assert worker_environment({name: "x"}) == {}


@pytest.mark.parametrize(
    ("environment", "locale"),
    [
        ({}, {"LC_CTYPE": "C.UTF-8"}),
        ({"LC_ALL": "C"}, {"LC_ALL": "C.UTF-8"}),
        ({"LC_ALL": "POSIX", "LANG": "en_US.UTF-8"}, {"LC_ALL": "C.UTF-8"}),
        ({"LC_ALL": "", "LANG": "C"}, {"LC_CTYPE": "C.UTF-8"}),
        ({"LC_CTYPE": "C.UTF-8", "LANG": "C"}, {}),
        ({"LANG": "de_DE.ISO-8859-1"}, {}),
    ],
)
def test_a_launcher_has_no_ascii_locale(
    environment: dict[str, str], locale: dict[str, str]
) -> None:
    assert utf8_locale(environment) == locale


def test_more_can_be_named() -> None:
    environment = {"EAS_WORKER_ENV": "MINE, OURS_*,", "MINE": "1", "OURS_A": "2", "MINE_TOO": "3"}
    assert worker_environment(environment) == {"MINE": "1", "OURS_A": "2"}


@pytest.mark.parametrize("where", ["PYTHONPATH", "PYTHONUSERBASE"])
def test_the_engine_s_own_interpreter_finds_what_the_engine_finds(
    tmp_path: Path, where: str
) -> None:
    """`pip install --user`, and a directory in PYTHONPATH."""
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    user_site = tmp_path / "lib" / version / "site-packages"
    directory = tmp_path if where == "PYTHONPATH" else user_site
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "only_of_this_user.py").write_text("")
    # A virtual environment has no user's site-packages: this is about an interpreter without one.
    python = Path(sys.base_prefix) / "bin" / version
    code = (
        "import os, subprocess, sys\n"
        "from pathlib import Path\n"
        "import eas_processor.instances.environment as e\n"
        "import only_of_this_user\n"
        "python = Path(sys.executable)\n"
        "kept = {**e.worker_environment(os.environ), **e.python_environment(python, os.environ)}\n"
        "command = [str(python), *e.python_options(python), '-c', 'import only_of_this_user']\n"
        "sys.exit(subprocess.run(command, env=kept).returncode)\n"
    )
    root = str(Path(__file__).parents[2])
    paths = f"{tmp_path}:{root}" if where == "PYTHONPATH" else root
    environment = {"PYTHONPATH": paths, "PYTHONUSERBASE": str(tmp_path)}
    done = subprocess.run(
        [str(python), "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_interpreter_of_a_build_finds_what_is_in_the_build_alone() -> None:
    python = Path("/builds/tensorflow_cpu_1.15/bin/python")
    assert python_options(python) == ["-sE"]
    assert python_environment(python, {"PYTHONPATH": "/elsewhere"}) == {}


def test_an_isolated_engine_has_isolated_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    class Flags:
        no_user_site = 1
        ignore_environment = 1

    monkeypatch.setattr(sys, "flags", Flags)
    assert python_options(Path(sys.executable)) == ["-s", "-E"]
