"""The workflow and the forms of hosted repositories agree with the Makefile and the packages."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def workflow() -> Any:
    return yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())


def test_the_matrix_has_every_python_of_the_engine(workflow: Any) -> None:
    (_, oldest), (_, newest) = runpy.run_path(str(ROOT / "tools" / "python_probe.py"))["SUPPORTED"]
    supported = [f"3.{minor}" for minor in range(oldest, newest + 1)]
    assert workflow["jobs"]["fast"]["strategy"]["matrix"]["python"] == supported
    assert workflow["env"]["PYTHON"] == "python3", "`make install` takes whichever is fastest"


def test_every_target_exists(workflow: Any) -> None:
    makefile = (ROOT / "Makefile").read_text()
    runs = [
        step["run"] for job in workflow["jobs"].values() for step in job["steps"] if "run" in step
    ]
    targets = {target for run in runs for target in re.findall(r"^make ([a-z0-9-]+)", run)}
    assert targets
    for each in targets:
        assert re.search(rf"^{each}:", makefile, re.MULTILINE), each
    assert ".ci/run" in runs
    assert (ROOT / ".ci" / "run").exists()


def test_a_workflow_may_read_alone_and_ends(workflow: Any) -> None:
    assert workflow["permissions"] == {"contents": "read"}
    assert all(job["timeout-minutes"] <= 60 for job in workflow["jobs"].values())


@pytest.mark.parametrize("name", ["bug", "idea"])
def test_forms_have_fields_with_names_of_their_own(name: str) -> None:
    form = yaml.safe_load((ROOT / ".github" / "ISSUE_TEMPLATE" / f"{name}.yml").read_text())
    fields = [each["id"] for each in form["body"] if each["type"] != "markdown"]
    assert len(set(fields)) == len(fields) >= 3
    assert all(each["attributes"].get("label") for each in form["body"] if "id" in each)


def test_files_that_the_forms_name_exist() -> None:
    texts = [path.read_text() for path in (ROOT / ".github").rglob("*.*") if path.is_file()]
    named = {each for text in texts for each in re.findall(r"\b(?:docs/)?[\w-]+\.md\b", text)}
    assert {"SECURITY.md", "CONTRIBUTING.md"} <= named
    for each in named:
        assert (ROOT / each).exists(), each
