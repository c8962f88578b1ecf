"""`make test-ranges` takes the ends of what pyproject.toml permits."""

from __future__ import annotations

import re
import runpy
import shlex
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture(scope="module")
def tool() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "tools" / "test_ranges.py"))


def test_every_extra_of_the_engine_is_among_them(tool: dict[str, Any]) -> None:
    # TensorFlow is locked for each build; the rest is for development.
    others = {"tensorflow", "examples", "fuzz", "dev"}
    assert {*tool["EXTRAS"]} == PROJECT["optional-dependencies"].keys() - others


def test_every_path_exists(tool: dict[str, Any]) -> None:
    for each in tool["TESTS"]:
        assert (ROOT / each.removeprefix("--ignore=")).exists(), each


@pytest.mark.parametrize("extra", ["", "server", "grpc", "stores", "otel", "images", "completion"])
def test_each_requirement_has_an_oldest_version(extra: str) -> None:
    texts = PROJECT["optional-dependencies"][extra] if extra else PROJECT["dependencies"]
    for text in texts:
        operators = [each.operator for each in Requirement(text).specifier]
        assert operators.count(">=") == 1, f"{text}: name the oldest version that works"


def test_the_sdk_is_tested_with_the_oldest_versions() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    oldest = re.search(r"^SDK_OLDEST := (.*)$", makefile, re.MULTILINE)
    assert oldest
    wanted = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["grpc"]]
    assert shlex.split(oldest[1]) == [
        re.sub(r"^([\w-]+)>=([\d.]+).*", r"\1==\2", each) for each in wanted
    ]


def test_the_status_counts_the_ends_that_fail(
    tool: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ran = []

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        ran.append(command)
        return subprocess.CompletedProcess(command, returncode=len(ran) - 1)

    monkeypatch.setitem(tool["main"].__globals__, "environment", Path)
    monkeypatch.setattr(subprocess, "run", run)
    assert tool["main"](["oldest", "newest"], ["tests/config"]) == 1
    assert [command[0] for command in ran] == ["oldest", "newest"]
    assert all(command[-1] == "tests/config" for command in ran)
    assert "failed with the newest packages" in capsys.readouterr().err
