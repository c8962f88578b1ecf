"""What of docker/Dockerfile can be checked without docker."""

from __future__ import annotations

import json
import re
import runpy
import shlex
from pathlib import Path

import pytest

from eas_processor.builds.catalogue import ENTRIES, find_entry
from eas_processor.cli.parser import make_parser

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docker" / "Dockerfile").read_text().replace("\\\n", " ")
INSTRUCTIONS = [
    line.split(maxsplit=1) for line in TEXT.splitlines() if line and not line.startswith("#")
]


def instructions(name: str) -> list[str]:
    return [rest for each, rest in INSTRUCTIONS if each == name]


def test_each_copied_path_exists_and_is_sent_to_the_builder() -> None:
    ignore = (ROOT / ".dockerignore").read_text().split()
    copied = [
        path
        for rest in instructions("COPY")
        if not rest.startswith("--from")
        for path in rest.split()[:-1]
    ]
    assert "eas_processor" in copied
    for path in copied:
        assert (ROOT / path).exists(), path
        assert f"!{path}" in ignore, path


def test_each_package_is_copied() -> None:
    """`pip install` leaves out what is not there, without a word."""
    packages = {path.parent.name for path in ROOT.glob("eas_*/__init__.py")}
    assert packages <= {path for rest in instructions("COPY") for path in rest.split()}


@pytest.mark.parametrize("name", ["Dockerfile", "Dockerfile.tensorflow-serving"])
def test_what_the_installation_reads_is_copied(name: str) -> None:
    """Without pyproject.toml, setuptools installs a package that has neither name nor commands."""
    wheels = runpy.run_path(str(ROOT / "tools" / "wheels.py"))
    copied = set(re.findall(r"\S+", (ROOT / "docker" / name).read_text()))
    assert {*wheels["FILES"], *wheels["ALL_PACKAGES"]} <= copied


def test_each_cpu_build_has_a_stage_with_a_python_that_it_takes() -> None:
    stages = re.findall(r"^FROM python:([\d.]+)-\S+ AS (\S+)$", TEXT, re.MULTILINE)
    assert {entry.name for entry in ENTRIES if not entry.gpu} <= {name for _, name in stages}
    for python, name in stages:
        assert python in find_entry(name).pythons, name
    (default,) = re.findall(r"^ARG BUILD=(\S+)$", TEXT, re.MULTILINE)
    assert default in {name for _, name in stages}


def test_each_command_of_eascmd_parses() -> None:
    start = [*json.loads(instructions("ENTRYPOINT")[0]), *json.loads(instructions("CMD")[0])]
    found = [start[1:]]
    for run in instructions("RUN"):
        for command in run.split("&&"):
            words = shlex.split(command.replace("${BUILD}", "x").replace("${OPTIONS}", ""))
            if words[0] == "eascmd":
                found.append(words[1:])
    assert [words[0] for words in found] == ["serve", "build", "build"]
    for words in found:
        make_parser().parse_args(words)


def test_it_does_not_run_as_root() -> None:
    names = [name for name, _ in INSTRUCTIONS]
    assert names.index("USER") < names.index("ENTRYPOINT")
    (user,) = instructions("USER")
    assert any(f"useradd --system --uid {user} " in each for each in instructions("RUN"))
    assert int(user) > 0


def test_its_health_is_that_of_the_port_it_serves() -> None:
    (health,) = instructions("HEALTHCHECK")
    start = json.loads(instructions("CMD")[0])
    assert f"127.0.0.1:{start[start.index('--port') + 1]}/healthz" in health
