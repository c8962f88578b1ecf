"""The Makefile names files that are there: a test that has moved must not be left out, or run."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "Makefile").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", sorted(set(re.findall(r"\b(?:tests|tools)/[\w/.]+", TEXT))))
def test_every_path_exists(path: str) -> None:
    assert (ROOT / path).exists()


def test_coverage_is_measured_for_every_package() -> None:
    groups = re.findall(r"\(addprefix tests/,([^)]*)\)", TEXT)
    named = {word for group in groups for word in group.split()}
    packages = {each.name for each in (ROOT / "eas_processor").iterdir() if each.is_dir()}
    tested = {
        each
        for each in packages | {"eas_prediction", "eas_wire"}
        if (ROOT / "tests" / each).is_dir()
    }
    # The tests of `bench` start services.
    assert tested - {"bench"} <= named


def test_every_mark_is_known() -> None:
    used = {mark for each in re.findall(r"-m '([^']*)'", TEXT) for mark in re.findall(r"\w+", each)}
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    marks = settings["tool"]["pytest"]["ini_options"]["markers"]
    assert used - {"not", "and"} <= {each.partition(":")[0] for each in marks}


def test_every_part_of_the_tests_is_a_target() -> None:
    parts = [word for each in re.findall(r"_PARTS := (.*)", TEXT) for word in each.split()]
    assert len(parts) > 5
    assert [each for each in parts if not re.search(rf"^{each}:", TEXT, re.MULTILINE)] == []
