"""docs/architecture.md tells the truth: its links lead somewhere, its names are where it says."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "architecture.md"
TEXT = PAGE.read_text(encoding="utf-8")
LINKS = sorted(set(re.findall(r"\]\((\.\./[^)]+)\)", TEXT)))
STEPS = [
    re.search(r"\]\(\.\./([^)]+\.py)\)(?:.*?)`([A-Za-z_.]+)`", step, re.DOTALL)
    for step in re.findall(r"^\d+\. (.*?)(?=^\d+\. |^No task)", TEXT, re.DOTALL | re.MULTILINE)
]


def defined_names(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef):
            names.add(node.name)
            names |= {
                f"{node.name}.{each.name}"
                for each in node.body
                if isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef))
            }
        elif isinstance(node, ast.FunctionDef):
            names.add(node.name)
    return names


@pytest.mark.parametrize("link", LINKS)
def test_every_link_leads_somewhere(link: str) -> None:
    assert (PAGE.parent / link).exists()


def test_there_are_ten_steps() -> None:
    assert len(STEPS) == 10
    assert all(STEPS)


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step[2])
def test_every_step_names_something_that_its_file_defines(step: re.Match[str]) -> None:
    assert step[2] in defined_names(ROOT / step[1])


@pytest.mark.parametrize("path", sorted(set(re.findall(r"\| ([a-z_]+/[a-z_/]+\.py)", TEXT))))
def test_every_file_in_the_error_table_exists(path: str) -> None:
    assert (ROOT / "eas_processor" / path).is_file() or (ROOT / path).is_file()


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`([a-z_]+/[a-z_/]+\.py)`", TEXT))))
def test_every_file_that_is_named_without_a_link_exists(path: str) -> None:
    assert (ROOT / "eas_processor" / path).is_file()


def test_every_package_is_listed() -> None:
    names = {path.parent.name for path in (ROOT / "eas_processor").glob("*/__init__.py")}
    assert {name for name in names if f"[eas_processor/{name}/]" in TEXT} == names
